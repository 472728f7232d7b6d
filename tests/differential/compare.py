"""Reads every archive of a folder with Python's own modules and with libarchive (what bsdtar is made of), and compares
what they list with what our reader listed (`LISTING`, made by tests/differential.rs). Prints one line per difference:

    READER <TAB> WHAT <TAB> archive and detail

As our reader does it: regular files only, the leading component dropped, the last of two equal paths kept. A reader
that cannot be had here is named on a line `ABSENT <TAB> READER`."""

import ctypes, ctypes.util, hashlib, os, sys, tarfile, zipfile, zlib


class Info(tarfile.TarInfo):
    """Two things that Python alone does, undone: it takes the times that GNU keeps behind a name for the beginning of
    that name, and of a header that it cannot read it makes a silent end of the archive."""

    broken = None

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        if len(buf) == 512 and buf[257:265] == b"ustar  \0" and any(buf[345:500]):
            buf = bytearray(buf[:345] + bytes(155) + buf[500:])
            buf[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(buf))[0]
            buf = bytes(buf)
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.InvalidHeaderError as e:
            Info.broken = str(e)
            raise


def path_of(name, bare, state):
    """As mirror/src/archive/names.rs: the leading component goes, `.` and empty ones too."""
    if bare:
        leading = 0
    else:
        if "dot" not in state:
            state["dot"] = name.startswith("./package/")
        leading = 2 if state["dot"] and name.startswith("./package/") else 1
    return "/".join(p for p in name.split("/")[leading:] if p not in ("", "."))


def gather(members):
    """members: (name, kind, content) in order; kind 'f', 'd' or something else."""
    members = list(members)
    bare = members and members[0][3] and any(m[0] in ("package.json", "mzp.toml") for m in members)
    found, state = {}, {}
    for name, kind, content, _ in members:
        path = path_of(name, bare, state)
        if kind == "d":
            continue
        if kind != "f":
            found["a %s: %s" % (kind, name)] = "-"
        elif path:
            found[path] = "%d %s" % (len(content), hashlib.sha256(content).hexdigest())
    return found


def python(path):
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as z:
            for i in z.infolist():
                yield i.filename, "d" if i.is_dir() else "f", z.read(i), True
        return
    Info.broken = None
    with tarfile.open(path, errors="replace", encoding="utf-8", tarinfo=Info) as t:
        for m in t:
            kind = "f" if m.isfile() else "d" if m.isdir() else "member of type %r" % m.type
            # An empty file whose name ends with a slash: an old directory, for everybody else.
            if kind == "f" and m.name.endswith("/") and m.size == 0:
                kind = "d"
            yield m.name, kind, t.extractfile(m).read() if kind == "f" else b"", False
        if Info.broken:
            raise tarfile.ReadError(Info.broken)


class Libarchive:
    def __init__(self):
        name = ctypes.util.find_library("archive")
        self.lib = lib = ctypes.CDLL(name) if name else None
        if not lib:
            return
        for f in ("archive_read_new", "archive_error_string", "archive_entry_pathname", "archive_entry_hardlink"):
            getattr(lib, f).restype = ctypes.c_void_p if f == "archive_read_new" else ctypes.c_char_p
        lib.archive_read_data.restype = ctypes.c_ssize_t

    def __call__(self, path):
        lib, p = self.lib, ctypes.c_void_p
        a = p(lib.archive_read_new())
        entry, buffer = p(), ctypes.create_string_buffer(1 << 16)

        def check(code):
            # ARCHIVE_WARN (-20): it goes on, so do we; worse: it gives up.
            if code < -20:
                raise ValueError((lib.archive_error_string(a) or b"?").decode("utf-8", "replace"))

        try:
            for f in ("gzip", "xz", "none"):
                check(getattr(lib, "archive_read_support_filter_" + f)(a))
            for f in ("tar", "zip_seekable"):
                check(getattr(lib, "archive_read_support_format_" + f)(a))
            check(lib.archive_read_open_filename(a, path.encode(), ctypes.c_size_t(10240)))
            while True:
                code = lib.archive_read_next_header(a, ctypes.byref(entry))
                if code == 1:
                    return
                check(code)
                kind = {0o100000: "f", 0o040000: "d"}.get(lib.archive_entry_filetype(entry), "special file")
                if lib.archive_entry_hardlink(entry):
                    kind = "hard link"
                content = b""
                while kind == "f":
                    n = lib.archive_read_data(a, buffer, ctypes.c_size_t(len(buffer)))
                    check(min(n, 0))
                    if n <= 0:
                        break
                    content += buffer.raw[:n]
                yield (lib.archive_entry_pathname(entry) or b"").decode("utf-8", "replace"), kind, content, path.endswith(".zip")
        finally:
            lib.archive_read_free(a)


def main(folder):
    ours = {}
    with open(os.path.join(folder, "LISTING"), encoding="utf-8") as f:
        for line in f.read().split("\n")[:-1]:
            archive, path, what = line.split("\t")
            ours.setdefault(archive, {})
            if path:
                ours[archive][path] = what
    readers = [("python", python), ("libarchive", Libarchive())]
    if not readers[1][1].lib:
        print("ABSENT\tlibarchive")
        readers.pop()
    for archive in sorted(ours):
        for name, reader in readers:
            try:
                theirs = gather(reader(os.path.join(folder, archive)))
            except (tarfile.TarError, zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as e:
                print("%s\trefuses: %s\t%s" % (name, " ".join(str(e).split()), archive))
                continue
            if theirs != ours[archive]:
                more = ["+" + p for p in theirs if p not in ours[archive]]
                less = ["-" + p for p in ours[archive] if p not in theirs]
                other = ["!" + p for p in theirs if p in ours[archive] and theirs[p] != ours[archive][p]]
                what = " ".join(w for w, x in (("more", more), ("fewer", less), ("other content", other)) if x)
                print("%s\tlists %s\t%s %r" % (name, what, archive, (more + less + other)[:4]))


main(sys.argv[1])
