"""Programs that attack the sandbox they run in.

Each prints BREACH if it gets what it is after. `{secret}` is a readable file
outside, `{folder}` a writable folder, `{port}` a listening TCP port, `{unix}` a
listening socket and `{pid}` the caller's process.

`PROVEN` do get it in an ordinary interpreter, which a test shows: these are
attacks, not accidents of spelling.
"""

import os

PROVEN = {
    # --- Reaching the system by every way that Python has -------------------
    "import": "__import__('os').system('echo x > {folder}/import')\n"
    "print('BREACH' if __import__('os').path.exists('{folder}/import') else 0)",
    "importlib": """
import importlib
if importlib.import_module('os').system('true') == 0:
    print('BREACH')
""",
    "subclasses": """
for kind in ().__class__.__base__.__subclasses__():
    if kind.__name__ == '_wrap_close':
        if kind.__init__.__globals__['system']('true') == 0:
            print('BREACH')
""",
    "attribute chain": """
import random
if random._os.system('true') == 0:
    print('BREACH')
""",
    "globals of a function": """
import warnings
names = warnings.warn_explicit.__globals__ if hasattr(
    warnings.warn_explicit, '__globals__') else vars(warnings)
if names['sys'].modules['os'].system('true') == 0:
    print('BREACH')
""",
    "format string": """
import os
class Show:
    def __format__(self, spec):
        return 'BREACH' if os.system(spec) == 0 else ''
print('{0:true}'.format(Show()))
""",
    "f-string": """
print(f"{'BREACH' if __import__('os').system('true') == 0 else ''}")
""",
    "lambda": """
print((lambda o: 'BREACH' if o.system('true') == 0 else '')(__import__('os')))
""",
    "comprehension": """
print(['BREACH' for o in [__import__('os')] if o.system('true') == 0])
""",
    "decorator": """
import os
def call(f):
    return 'BREACH' if os.system('true') == 0 else ''
@call
def f(): pass
print(f)
""",
    "metaclass": """
import os
class Meta(type):
    def __new__(cls, *rest):
        print('BREACH' if os.system('true') == 0 else '')
        return super().__new__(cls, *rest)
class A(metaclass=Meta): pass
""",
    "pickle": """
import os, pickle
class A:
    def __reduce__(self):
        return os.system, ('true',)
if pickle.loads(pickle.dumps(A())) == 0:
    print('BREACH')
""",
    "eval of bytes": """
code = bytes.fromhex('5f5f696d706f72745f5f28276f7327292e7379737465'
                     '6d2827747275652729')
if eval(code) == 0:
    print('BREACH')
""",
    "compiled code object": """
exec(compile("import os\\nif os.system('true') == 0: print('BREACH')",
             '<x>', 'exec'))
""",
    "unicode identifiers": """
import os
if \uff4f\uff53.\uff53\uff59\uff53\uff54\uff45\uff4d('true') == 0:
    print('BREACH')
""",
    "sympify": """
import sympy
if sympy.sympify("__import__('os').system('true')") == 0:
    print('BREACH')
""",
    # --- Processes ----------------------------------------------------------
    "subprocess": """
import subprocess
print('BREACH' if subprocess.run(['true']).returncode == 0 else '')
""",
    "popen": """
import os
print(os.popen('echo BREACH').read())
""",
    "fork": """
import os
if os.fork() == 0:
    os._exit(0)
print('BREACH')
""",
    "vfork and exec": """
import os
print('BREACH' if os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)
      else '')
""",
    "exec": """
import os
os.execv('/bin/echo', ['echo', 'BREACH'])
""",
    "thread": """
import threading
thread = threading.Thread(target=print, args=('BREACH',))
thread.start()
thread.join()
""",
    "multiprocessing": """
import multiprocessing
process = multiprocessing.get_context('fork').Process(target=int)
process.start()
process.join()
print('BREACH')
""",
    # --- Reading ------------------------------------------------------------
    "read a file": "print('BREACH', open('{secret}').read())",
    "read by descriptor": """
import os
print('BREACH', os.read(os.open('{secret}', os.O_RDONLY), 100))
""",
    "read by numpy": """
import numpy
print('BREACH', numpy.fromfile('{secret}', dtype='u1'))
""",
    "read by pathlib": """
import pathlib
print('BREACH', pathlib.Path('{secret}').read_text())
""",
    "read by linecache": """
import linecache
print('BREACH' if linecache.getlines('{secret}') else '')
""",
    "read by runpy": """
import runpy
runpy.run_path('{folder}/module.py')
""",
    "import from a folder": """
import sys
sys.path.insert(0, '{folder}')
from importlib.machinery import PathFinder
sys.meta_path.append(PathFinder)
import module
""",
    "passwords": "print('BREACH', open('/etc/passwd').read())",
    "environment": """
import os
print('BREACH' if os.environ.get('CANARY') else '')
""",
    "environment in C": """
import ctypes
block = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), 'environ')
place = 0
while block and block[place]:
    if b'CANARY' in block[place]:
        print('BREACH')
    place += 1
""",
    "environment at the start of the stack": """
import ctypes
libc = ctypes.CDLL(None)
libc.getauxval.restype = ctypes.c_size_t
first = ctypes.c_size_t.in_dll(libc, '__libc_stack_end').value + 8
start = ctypes.c_size_t.from_address(first).value  # the first argument
end = libc.getauxval(31)  # the name of the program, behind all variables
assert 0 < end - start < 2**24
if b'CANARY' in ctypes.string_at(start, end - start):
    print('BREACH')
""",
    "environment in proc": """
if b'CANARY' in open('/proc/self/environ', 'rb').read():
    print('BREACH')
""",
    "proc of the caller": "print('BREACH', open('/proc/{pid}/stat').read())",
    "proc of init": "print('BREACH', open('/proc/1/stat').read())",
    "memory in proc": "open('/proc/self/mem', 'rb'); print('BREACH')",
    "maps in proc": "print('BREACH', open('/proc/self/maps').read())",
    "link in proc": "import os; print('BREACH', os.readlink('/proc/self/exe'))",
    "list a folder": "import os; print('BREACH', os.listdir('/'))",
    "look at a file": "import os; print('BREACH', os.stat('{secret}'))",
    "is there a file": """
import os
print('BREACH' if os.access('{secret}', os.F_OK) else '')
""",
    "go elsewhere": "import os; os.chdir('{folder}'); print('BREACH')",
    "glob": "import glob; print('BREACH' if glob.glob('{folder}/*') else '')",
    "open in C": """
import ctypes
if ctypes.CDLL(None).open(b'{secret}', 0) >= 0:
    print('BREACH')
""",
    "devices": "open('/dev/zero', 'rb'); print('BREACH')",
    # --- Writing ------------------------------------------------------------
    "write a file": "open('{folder}/write', 'w').close(); print('BREACH')",
    "append to a file": "open('{secret}', 'a').close(); print('BREACH')",
    "write to shared memory": """
from multiprocessing import shared_memory
memory = shared_memory.SharedMemory(create=True, size=10)
memory.close(); memory.unlink()
print('BREACH')
""",
    "temporary file": """
import tempfile
tempfile.TemporaryFile()
print('BREACH')
""",
    "symlink": """
import os
os.symlink('{secret}', '{folder}/symlink'); print('BREACH')
""",
    "hard link": """
import os
os.link('{secret}', '{folder}/link'); print('BREACH')
""",
    "mkdir": "import os; os.mkdir('{folder}/made'); print('BREACH')",
    "mkfifo": "import os; os.mkfifo('{folder}/fifo'); print('BREACH')",
    "chmod": "import os; os.chmod('{secret}', 0o644); print('BREACH')",
    "utime": "import os; os.utime('{secret}'); print('BREACH')",
    "rename": """
import os
os.rename('{folder}/module.py', '{folder}/other.py')
os.rename('{folder}/other.py', '{folder}/module.py')
print('BREACH')
""",
    "sqlite": """
import sqlite3
sqlite3.connect('{folder}/base').execute('create table a (b)')
print('BREACH')
""",
    "memfd": "import os; os.memfd_create('a'); print('BREACH')",
    # --- Network ------------------------------------------------------------
    "tcp": """
import socket
socket.create_connection(('127.0.0.1', {port})); print('BREACH')
""",
    "tcp in C": """
import ctypes
if ctypes.CDLL(None).socket(2, 1, 0) >= 0:
    print('BREACH')
""",
    "udp": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM); print('BREACH')
""",
    "unix socket": """
import socket
socket.socket(socket.AF_UNIX).connect('{unix}'); print('BREACH')
""",
    "netlink": """
import socket
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); print('BREACH')
""",
    "socket pair": "import socket; socket.socketpair(); print('BREACH')",
    "http": """
import urllib.request, urllib.error
try:
    urllib.request.urlopen('http://127.0.0.1:{port}/', timeout=0.2)
except urllib.error.URLError:
    pass
except (TimeoutError, OSError):
    print('BREACH')
""",
    "event loop": """
import asyncio
async def connect():
    await asyncio.open_connection('127.0.0.1', {port}); print('BREACH')
asyncio.run(connect())
""",
    # --- Others -------------------------------------------------------------
    "signal to the caller": "import os; os.kill({pid}, 0); print('BREACH')",
    "signal to the group": "import os; os.killpg(0, 0); print('BREACH')",
    "signal to everybody": "import os; os.kill(-1, 0); print('BREACH')",
    "signal to the parent": """
import os
os.kill(os.getppid(), 0); print('BREACH')
""",
    "own priority": "import os; os.nice(1); print('BREACH')",
    "sessions": "import os; os.getsid(0); print('BREACH')",
    "inotify": """
import ctypes
if ctypes.CDLL(None).inotify_init() >= 0:
    print('BREACH')
""",
    "eventfd": "import os; os.eventfd(0); print('BREACH')",
    "epoll": "import select; select.epoll(); print('BREACH')",
    "timer": "import signal; signal.setitimer(0, 99); print('BREACH')",
    "system v memory": """
import ctypes
number = ctypes.CDLL(None).shmget(0, 4096, 0o1600)
if number >= 0:
    ctypes.CDLL(None).shmctl(number, 0, None)
    print('BREACH')
""",
    "message queue": """
import ctypes
libc = ctypes.CDLL(None)
if libc.mq_open(b'/canary', 0o102, 0o600, None) >= 0:
    libc.mq_unlink(b'/canary')
    print('BREACH')
""",
    "process name": """
import ctypes
if ctypes.CDLL(None).prctl(15, b'canary', 0, 0, 0) == 0:
    print('BREACH')
""",
    "bigger pipe": """
import fcntl, os
read, write = os.pipe()
fcntl.fcntl(write, 1031, 1 << 19); print('BREACH')
""",
    "standard input": """
import os
os.fstat(0)
print('BREACH')
""",
}

# Not proven by an ordinary run, since they would do harm there, or need what
# only the sandbox has.
OTHERS = {
    "abstract socket": """
import socket
server = socket.socket(socket.AF_UNIX)
server.bind('\\0breach')
server.listen()
print('BREACH')
""",
    "another interpreter": """
import _xxsubinterpreters as interpreters
interpreters.run_string(interpreters.create(), "import os; os.system('true')")
print('BREACH')
""",
    "archive outside": """
import zipimport
zipimport.zipimporter('{secret}')
print('BREACH')
""",
    "trap in a hook": """
import os, sys
sys.excepthook = lambda *what: os.execv('/bin/echo', ['echo', 'BREACH'])
raise KeyError
""",
    "trap in a finalizer": """
import os
class Trap:
    def __del__(self):
        print('BREACH' if os.system('true') == 0 else '')
trap = Trap()
""",
    "become root": "import os; os.setuid(0); print('BREACH')",
    "groups": "import os; os.setgroups([0]); print('BREACH')",
    "raise a limit": """
import resource
for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU,
             resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
    try:
        resource.setrlimit(kind, (2**40, 2**40))
    except (ValueError, OSError):
        pass
    else:
        print('BREACH')
""",
    "limits of others": """
import resource
resource.prlimit({pid}, resource.RLIMIT_CORE); print('BREACH')
""",
    "device node": """
import os
os.mknod('{folder}/n', 0o20600, 259); print('BREACH')
""",
    "unlink": "import os; os.unlink('{secret}'); print('BREACH')",
    "truncate": "import os; os.truncate('{secret}', 0); print('BREACH')",
    "host name": "import socket; socket.sethostname('x'); print('BREACH')",
    "change the root": "import os; os.chroot('{folder}'); print('BREACH')",
    "kill everybody": "import os; os.kill(-1, 9); print('BREACH')",
    "kill the parent": "import os; os.kill(os.getppid(), 9); print('BREACH')",
    "kill the caller": "import os; os.kill({pid}, 9); print('BREACH')",
    "signals by number": """
import os
for pid in range(1, 3000):
    if pid == os.getpid():
        continue
    try:
        os.kill(pid, 15)
        print('BREACH')
    except PermissionError:
        pass
""",
    "owner of a pipe": """
import fcntl, os
fcntl.fcntl(1, fcntl.F_SETOWN, {pid}); print('BREACH')
""",
    "terminal input": """
import fcntl
fcntl.ioctl(0, 0x5412, b'x'); print('BREACH')
""",
    "inherited descriptors": """
import os
for number in range(3, 1024):
    try:
        os.write(number, b'x')
        print('BREACH', number)
    except OSError:
        pass
""",
    "reading descriptors": """
import os
for number in range(0, 1024):
    try:
        if os.read(number, 100):
            print('BREACH', number)
    except OSError:
        pass
""",
    "close all and go on": """
import os
os.closerange(0, 1024)
while True:
    try:
        os.open('{secret}', 0)
        os.system('echo BREACH > {folder}/closed')
    except OSError:
        os._exit(0)
""",
    "poison the modules": """
import ctypes, mmap, sys
code = sys.meta_path[-1]._code
place = ctypes.c_void_p.from_address(id(code) + 16).value
length = len(code)
pages = -(-length // mmap.PAGESIZE) * mmap.PAGESIZE
libc = ctypes.CDLL(None)
libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(pages), 3)
ctypes.memset(place, 0, length)
""",
    "poison the interpreter": """
import builtins, math, sys, sympy
math.sqrt = lambda x: 'BREACH'
sympy.solve = sympy.sqrt = lambda *_: 'BREACH'
sys.modules['fractions'] = sys.modules['tabnanny'] = None
builtins.print = builtins.__import__ = builtins.sum = lambda *_, **__: None
sys.meta_path.clear()
sys.setrecursionlimit(50)
""",
    "leave a trap for the exit": """
import atexit, os, sys
atexit.register(os.system, 'echo BREACH > {folder}/exit')
sys.excepthook = sys.unraisablehook = lambda *_: os.system('echo BREACH')
class A:
    def __del__(self):
        os.system('echo BREACH > {folder}/exit')
sys.keep = A()
""",
    "search the memory": """
import gc, sys
frame, found = sys._getframe(), []
while frame:
    found += list(frame.f_locals.values()) + list(frame.f_globals.values())
    frame = frame.f_back
if ' OF '.join(['CANARY', 'ANOTHER']) in repr(found):
    print('BREACH')
for value in gc.get_objects():
    if isinstance(value, (list, dict, tuple)) and len(value) < 1000:
        for part in (value.values() if isinstance(value, dict) else value):
            if isinstance(part, (str, bytes)) and len(part) < 9999:
                text = part if isinstance(part, str) else part.decode('latin1')
                if ' OF '.join(['CANARY', 'ANOTHER']) in text:
                    print('BREACH')
""",
    "forge an end": """
import os, struct
for number in range(3, 64):
    try:
        os.write(number, struct.pack('<i?ddQ', 0, False, 0.0, 0.0, 0))
    except OSError:
        pass
os.write(2, b'BREACH\\n')
os._exit(7)
""",
    "forge an end with the secret": """
import os, struct, sys
frame = sys._getframe()
while 'step' not in frame.f_locals:
    frame = frame.f_back
secret = bytes.fromhex(frame.f_locals['step']['secret'])
os.write(2, secret + struct.pack('<BH', 0, 9) + b'x' * 9 + b'more' * 9999)
os.write(1, secret + struct.pack('<BH', 255, 65535))
while True:
    pass
""",
    "forge half an end": """
import os, struct, sys
frame = sys._getframe()
while 'step' not in frame.f_locals:
    frame = frame.f_back
secret = bytes.fromhex(frame.f_locals['step']['secret'])
os.write(2, secret + struct.pack('<BH', 7, 65535) + bytes(70_000))
os._exit(0)
""",
    "variables of the zygote": """
import gc, sys
names = {'settings', 'caller', 'channel', 'confinement', 'received'}
frame = sys._getframe()
while frame:
    if names & frame.f_locals.keys() or names & frame.f_globals.keys():
        print('BREACH', frame.f_code.co_name)
    frame = frame.f_back
gc.unfreeze()
for value in gc.get_objects():
    if isinstance(value, dict) and names & {k for k in value if type(k) is str}:
        if value is not globals() and 'settings' in value:
            print('BREACH', list(value)[:9])
    if isinstance(value, (list, dict)):
        for part in list(value.values() if isinstance(value, dict) else value):
            if type(part) is str and part.startswith('{folder}' + '/caller'):
                print('BREACH', part)
""",
    "command line": """
import ctypes
libc = ctypes.CDLL(None)
end = ctypes.c_void_p.in_dll(libc, '__libc_stack_end').value
count = ctypes.c_long.from_address(end).value
for i in range(count + 1, count + 64):
    place = ctypes.c_void_p.from_address(end + 8 * i).value
    if not place:
        break
    if b'CANARY' in ctypes.string_at(place):
        print('BREACH')
for i in range(count):
    word = ctypes.string_at(ctypes.c_void_p.from_address(end + 8 + 8 * i).value)
    if b'jaxlrm' in word:
        print('BREACH', word)
""",
    "own processor time": """
import ctypes, resource
for limits in ((0, 0), (0, resource.RLIM_INFINITY), (1, 1)):
    try:
        resource.setrlimit(resource.RLIMIT_CPU, limits)
        print('BREACH', limits)
    except ValueError:
        pass
""",
    "core dump": """
import resource, ctypes
try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
except (ValueError, OSError):
    ctypes.string_at(0)
print('BREACH')
""",
    "undo the parent's death": """
import ctypes
if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0:
    print('BREACH')
""",
    "be dumpable": """
import ctypes
if ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0:
    print('BREACH')
""",
    "unload the filter": """
import ctypes
libc = ctypes.CDLL(None)
if libc.prctl(22, 0, 0) == 0 or libc.prctl(22, 2, None) == 0:
    print('BREACH')
""",
    "thread bomb": """
import _thread, time
for _ in range(10**4):
    try:
        _thread.start_new_thread(time.sleep, (9,))
        print('BREACH')
    except RuntimeError:
        pass
""",
    "help": "help('os'); import os; print('BREACH' * (os.system('true') == 0))",
    "breakpoint": "breakpoint()",
    "encoding cookie": "# coding: utf-7\n+AGkAbQBwAG8AcgB0-os",
    "null byte": "print(1)\0; print('BREACH')",
    "surrogate": "x = '\ud800'\nprint('BREACH')",
    "bidirectional text": "\u202eprint('BREACH')",
    "form feeds": "\f" * 1000 + "1 / 0",
    "bytes that are no text": """
import os
os.write(1, bytes(range(128, 256)))
raise SystemExit(1)
""",
}

# What may take all of a resource; the statuses that they may end in.
BOMBS = {
    "endless loop": ("while True: pass", "timeout"),
    "loop that catches": (
        "while True:\n try:\n  while True: pass\n except BaseException: pass",
        "timeout",
    ),
    "loop deaf to signals": (
        "import signal\n"
        "for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "  signal.signal(n, signal.SIG_IGN)\n"
        "while True: pass",
        "timeout",
    ),
    "endless sleep": ("import time; time.sleep(10**6)", "timeout"),
    "wait for nothing": ("import select; select.select([], [], [])", "timeout"),
    "power tower": ("9**9**9**9", "timeout memory"),
    "factorial": ("import math; math.factorial(10**9)", "timeout memory"),
    "sympy expansion": (
        "from sympy.abc import x, y, z\n((x + y + z + 1)**10**6).expand()",
        "timeout memory error killed",
    ),
    "regular expression": (
        "import re; re.match('(a+)+$', 'a'*99 + 'b')",
        "timeout",
    ),
    "fork bomb": (
        "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
        "timeout",
    ),
    "big number as text": (
        "import sys\nsys.set_int_max_str_digits(0)\nstr(1 << 10**8)",
        "timeout memory",
    ),
    "much memory at once": ("x = bytearray(2**40)", "memory"),
    "much memory bit by bit": (
        "x = []\nwhile True: x.append(bytearray(10**6))",
        "memory timeout",
    ),
    "long list": ("x = [0] * 10**9", "memory"),
    "long string": ("x = 'a' * 10**12", "memory"),
    "huge array": ("import numpy; numpy.ones(10**11)", "memory error"),
    "matrix": (
        "import numpy; a = numpy.ones((5000, 5000)); a @ a @ a @ a @ a",
        "timeout memory error",
    ),
    "memory kept": (
        "x = []\nwhile True:\n try: x.append('a' * 10**6 + str(len(x)))\n"
        " except MemoryError: pass",
        "timeout memory",
    ),
    "mapped memory": (
        "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 2**24))",
        "memory error denied timeout",
    ),
    "deep recursion": ("def f(): return f()\nf()", "error"),
    "deeper recursion": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()",
        "memory killed timeout",
    ),
    "recursion in C": (
        "import sys\nsys.setrecursionlimit(10**9)\n"
        "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)",
        "killed memory error timeout",
    ),
    "brackets": ("(" * 10**5, "error memory killed timeout"),
    "more brackets": ("(" * 10**6, "error memory killed timeout"),
    "unary operators": ("-" * 10**5 + "1", "error memory killed timeout"),
    "nested indentation": (
        "".join(" " * i + "if 1:\n" for i in range(300)) + " " * 300 + "1",
        "error",
    ),
    "long expression": (
        "+".join(["1"] * 10**5),
        "ok error memory killed timeout",
    ),
    "folded constant": ("x = 'a' * 4096 * 4096 * 4096", "memory error"),
    "flood of output": ("while True: print('a' * 1000)", "output"),
    "flood of errors": (
        "import sys\nwhile True: print('a' * 1000, file=sys.stderr)",
        "output",
    ),
    "flood in one piece": ("print('a' * 10**8)", "output memory timeout"),
    "flood below Python": (
        "import os\nwhile True: os.write(1, b'a' * 65536)",
        "output",
    ),
    "endless exception": (
        "class E(Exception):\n def __str__(self):\n  while True: pass\nraise E",
        "timeout",
    ),
    "long exception": (
        "raise ValueError('a' * 10**8)",
        "error output memory timeout",
    ),
    "chain of exceptions": (
        "def f(n):\n try: f(n - 1) if n else 1/0\n"
        " except Exception as e: raise ValueError(n) from e\nf(300)",
        "error output timeout",
    ),
    "crash": ("import ctypes; ctypes.string_at(0)", "killed"),
    "abort": ("import os; os.abort()", "killed"),
    "bad instruction": (
        "import ctypes\nctypes.memset(id(int) + 16, 255, 200)\nint('3') + 1",
        "killed error timeout",
    ),
    "exit at once": ("import os; os._exit(3)", "error"),
}

# Name: numbers on x86-64 and aarch64. None may do anything but be refused.
CALLS = {
    "open": (2, None),
    "stat": (4, None),
    "access": (21, None),
    "pipe2 direct": (293, 59),
    "socket": (41, 198),
    "sendmsg": (46, 211),
    "clone": (56, 220),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "kill": (62, 129),
    "creat": (85, None),
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "setuid": (105, 146),
    "capset": (126, 91),
    "rt_sigqueueinfo": (129, 138),
    "personality": (135, 92),
    "sched_setscheduler": (144, 119),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "setrlimit": (160, 164),
    "chroot": (161, 51),
    "acct": (163, 89),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "tkill": (200, 130),
    "io_setup": (206, 0),
    "lookup_dcookie or remap": (216, 234),
    "timer_create": (222, 107),
    "clock_settime": (227, 112),
    "tgkill": (234, 131),
    "mbind": (237, 235),
    "mq_open": (240, 180),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "inotify_init1": (294, 26),
    "openat": (257, 56),
    "newfstatat": (262, 79),
    "unshare": (272, 97),
    "splice": (275, 76),
    "vmsplice": (278, 75),
    "move_pages": (279, 239),
    "signalfd4": (289, 74),
    "epoll_create1": (291, 20),
    "rt_tgsigqueueinfo": (297, 240),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "finit_module": (313, 273),
    "seccomp": (317, 277),
    "memfd_create": (319, 279),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "execveat": (322, 281),
    "userfaultfd": (323, 282),
    "statx": (332, 291),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "openat2": (437, 437),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "landlock_create_ruleset": (444, 444),
    "memfd_secret": (447, 447),
    "unknown": (1023, 1023),
}

_CALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall({number}, 0, 0, 0, 0, 0, 0)
print('refused' if result == -1 and ctypes.get_errno() == 1 else 'BREACH')
"""


def calls() -> dict[str, str]:
    """A program for each system call that this machine has."""
    column = {"x86_64": 0, "aarch64": 1}.get(os.uname().machine)
    if column is None:
        return {}
    return {
        name: _CALL.replace("{number}", str(numbers[column]))
        for name, numbers in CALLS.items()
        if numbers[column] is not None
    }


# Machine code: getpid by the 32-bit entry of x86-64, which has other numbers.
OTHER_ENTRY = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')
place = ctypes.addressof(ctypes.c_char.from_buffer(page))
print('BREACH', ctypes.CFUNCTYPE(ctypes.c_int)(place)())
"""
OTHER_NUMBERS = """
import ctypes
print('BREACH', ctypes.CDLL(None).syscall(0x40000000 | 39))
"""
