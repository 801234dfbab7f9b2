"""The general parts, without knowledge of environments: versions, digests, masking, files, watches, processes, HTTP."""
