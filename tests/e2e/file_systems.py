"""A small file system of one's own, in a mount namespace, so that a disk can be full or read-only without touching the
machine's. Needs no root where user namespaces are allowed."""

import contextlib
import os
import shutil
import subprocess

import pytest

# $1 where, $2 how: the process keeps the namespace alive until its input ends.
_HOLD = 'mount -t tmpfs -o "$2" tmpfs "$1" && echo ready && exec cat'


class SmallFileSystem:
    """`inside` is its path for who runs with `prefix`; `outside` is the same directory seen from here."""

    def __init__(self, directory, size):
        self.inside = directory
        directory.mkdir()
        self._holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _HOLD, "sh", str(directory), f"mode=700,size={size}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if self._holder.stdout.readline() != "ready\n":
            why = self._holder.stderr.read().strip()
            self._end()
            directory.rmdir()
            pytest.skip(f"no file system of one's own may be mounted here: {why}")
        self.outside = type(directory)(f"/proc/{self._holder.pid}/root{directory}")

    @property
    def prefix(self):
        return ["nsenter", "--target", str(self._holder.pid), "--user", "--mount", "--preserve-credentials"]

    def run(self, *command):
        return subprocess.run([*self.prefix, *map(str, command)], capture_output=True, text=True, check=False)

    def mount_read_only(self, path):
        """`path` inside, as if its file system were mounted for reading only. What has files open for writing there keeps
        the mount from changing."""
        for command in (("mount", "--bind", path, path), ("mount", "-o", "remount,bind,ro", path)):
            finished = self.run(*command)
            if finished.returncode != 0:
                pytest.skip(f"{' '.join(map(str, command))}: {finished.stderr.strip()}")

    def fill(self, name="filler"):
        """Takes every byte that is left."""
        with contextlib.suppress(OSError):
            with open(self.outside / name, "ab", buffering=0) as filler:
                for size in (1 << 16, 4096, 512, 1):
                    with contextlib.suppress(OSError):
                        while filler.write(b"x" * size) == size:
                            pass
        return self.free_bytes()

    def empty(self, name="filler"):
        (self.outside / name).unlink()

    def free_bytes(self):
        state = os.statvfs(self.outside)
        return state.f_bavail * state.f_frsize

    def keep(self, directory):
        """A copy of all that is there, for after the end."""
        shutil.copytree(self.outside, directory, ignore=shutil.ignore_patterns("filler*"))

    def close(self):
        self._end()

    def _end(self):
        for pipe in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            pipe.close()
        self._holder.wait()
