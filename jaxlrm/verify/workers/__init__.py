"""A pool of killable worker processes for jobs on hostile text.

    Pool (holds JAX and threads, so it never forks)
      | one socket, one I/O thread
    zygote (a fresh interpreter, no JAX, modules imported once)
      | fork; one socket and a page of shared memory each
    worker, worker, ...

The zygote supervises: it gives each worker one chunk of jobs at a time, kills
the worker whose job is over its deadline, and forks a replacement in about a
millisecond. A worker writes the start of its job, every verdict and what a job
raised into the shared memory, so that a kill costs the one job: the rest of
its chunk is given to the replacement. What crosses a socket is lengths, JSON
and text, never pickle.

Works on Linux and macOS. It protects from text that makes our own code slow,
greedy or crash; it is no sandbox for code written by others.
"""

from jaxlrm.verify.workers.pool import Batch, Pool, Statistics

__all__ = ["Batch", "Pool", "Statistics"]
