"""The numbers of the process around a profile. None is fixed by a specification; all are ours."""

BACKLOG = 128  # connections that may wait while the process is busy
REQUEST_MAX = 65536  # bytes of one request line; a plugin's command with its arguments fits many times
REQUEST_TIMEOUT = 5.0  # seconds a client may take to send its request, or the process to answer a question
STOP_TIMEOUT = 20.0  # seconds `down` waits: two for the tunnel's good-bye, the rest for a slow machine to undo
CLOSE_TIMEOUT = 1.0  # seconds the last answers may take before the process ends
STRANGER_CONNECTIONS_MAX = 32  # at once, of users who may only read: the socket is open to everyone
STORY_LINES_MAX = 100  # progress lines kept for whoever listens later
FOLLOWER_LAG_MAX = 256  # lines a follower may be behind before it is dropped

LOG_BYTES_MAX = 1 << 20  # of `<name>.log`, rotated once
