"""The command line: the only place that renders and that ends the process.

A command returns a frozen result; `app` writes it as text or as JSON and turns an error into an exit status.
"""
