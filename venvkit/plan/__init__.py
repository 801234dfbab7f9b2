"""The pure heart: what the child will see, what that breaks, and what to do about it.

Host facts and a resolver come in, a plan goes out; nothing here reads the disk, the network or the environment.
"""
