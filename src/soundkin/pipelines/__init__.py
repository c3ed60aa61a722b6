"""One file a verb: each wires the rooms below into a job that a command, a script or a line of Python can
call.
"""
