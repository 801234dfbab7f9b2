"""What knows nothing of environments: versions, digests, masking, files, watches, processes, HTTP."""
