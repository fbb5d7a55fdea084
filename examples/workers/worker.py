"""A worker in Python for isolate.Command.Serve. docs/isolation.md describes the protocol.

Replace handle by your function. It may raise any exception, and then the job has failed. Snooze and
DeadLetter decide otherwise. Standard output belongs to the protocol, so print goes to standard error.
"""

import base64
import json
import sys
import threading
import traceback

out = sys.stdout
sys.stdout = sys.stderr
lock = threading.Lock()
cancelled = {}


class Decision(Exception):
    """Ends a job as the text says, for example "snooze 10m" or "dead letter: no such user"."""


def write(kind, **fields):
    with lock:
        out.write(json.dumps({kind: fields}) + "\n")
        out.flush()


class Job:
    def __init__(self, fields):
        self.call = fields["call"]
        self.id = fields["id"]
        self.attempt = fields["attempt"]
        self.headers = fields.get("headers", {})
        self.body = base64.b64decode(fields["base64"]) if "base64" in fields else fields["body"].encode()
        self.cancelled = threading.Event()

    def log(self, message, level="info", **attrs):
        write("log", call=self.call, level=level, message=message, attrs=attrs)

    def progress(self, data):
        write("progress", call=self.call, data=data)


def run(job):
    result = {"call": job.call}
    try:
        handle(job)
    except Decision as decision:
        result.update(decision=str(decision), error=str(decision), type="Decision")
    except BaseException as error:  # SystemExit as well: the process serves other jobs
        result.update(error=repr(error), type=type(error).__name__, stack=traceback.format_exc())
    cancelled.pop(job.call, None)
    write("result", **result)


def main():
    write("hello", version=1)
    for line in sys.stdin:
        message = json.loads(line)
        if "run" in message:
            job = Job(message["run"])
            cancelled[job.call] = job.cancelled
            threading.Thread(target=run, args=(job,)).start()
        elif "cancel" in message and message["cancel"]["call"] in cancelled:
            cancelled[message["cancel"]["call"]].set()


def handle(job):
    words = job.body.decode().split()
    job.log("counting", words=len(words))
    job.progress({"words": len(words)})
    if not words:
        raise Decision("dead letter: no words")
    if words[0] == "fail":
        raise ValueError("asked to fail")
    if words[0] == "die":
        import os

        os._exit(9)
    if words[0] == "wait":
        job.cancelled.wait()
        raise TimeoutError("cancelled")


main()
