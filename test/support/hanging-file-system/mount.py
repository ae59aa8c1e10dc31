"""Mounts a file system that hands everything on to a directory. Stopped by SIGSTOP it answers nothing."""
import errno, os, sys
import fusepy as fuse

target, mount_point = sys.argv[1:3]


class Hanging(fuse.Operations):
    def __call__(self, operation, path, *args):
        if not hasattr(self, operation):
            raise fuse.FuseOSError(errno.ENOSYS)
        try:
            return getattr(self, operation)(target + path, *args)
        except OSError as error:
            raise fuse.FuseOSError(error.errno)

    def init(self, path):
        print("mounted", flush=True)

    def getattr(self, path, fh=None):
        found = os.lstat(path)
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_mtime", "st_ctime", "st_atime")
        return {name: getattr(found, name) for name in names}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(path)]

    def create(self, path, mode, fi=None):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path, flags):
        return os.open(path, flags)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def release(self, path, fh):
        return os.close(fh)

    def flush(self, path, fh):
        return 0

    def truncate(self, path, length, fh=None):
        return os.truncate(path, length)

    def unlink(self, path):
        return os.unlink(path)

    def mkdir(self, path, mode):
        return os.mkdir(path, mode)

    def rename(self, old, new):
        return os.rename(old, target + new)

    def link(self, new, old):
        raise OSError(errno.EIO, "no hard links here")

    def statfs(self, path):
        found = os.statvfs(path)
        return {name: getattr(found, name) for name in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize", "f_namemax")}

    destroy = None


fuse.FUSE(Hanging(), mount_point, foreground=True, nothreads=False, attr_timeout=0, entry_timeout=0)
