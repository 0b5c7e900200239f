//! Plain files below a directory: opened through no link, read without waiting where that is asked for.

use std::{io::IoSliceMut, os::fd::OwnedFd};

use rustix::{
    fs::{self, FileType, Mode, OFlags, RawDir, ResolveFlags},
    io::{Errno, ReadWriteFlags, preadv2},
};

use super::NotRead;

/// The time that a look may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// None: what is not in the memory of the kernel is [`NotRead::Slow`].
    Never,
    /// As long as the disk takes. For threads that may wait.
    ForDisk,
}

/// The file systems that a look may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those that are mounted below the root, too.
    Mounts,
    /// That of the root.
    RootOnly,
}

/// Opens a plain file, and returns its size.
///
/// # Errors
/// It is not there, is another kind of file, or cannot be opened.
pub(super) fn regular_file(
    root: &OwnedFd,
    path: &str,
    wait: Wait,
    reach: Reach,
) -> Result<(OwnedFd, u64), NotRead> {
    // A pipe does not keep it waiting.
    let file = open(root, path, OFlags::NOCTTY | OFlags::NONBLOCK, wait, reach)?;
    let found = fs::fstat(&file)?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    let size = u64::try_from(found.st_size).ok().filter(|_| is_file);
    Ok((file, size.ok_or(NotRead::Other)?))
}

/// Reads a plain file that has up to `most` bytes.
///
/// # Errors
/// As [`regular_file`]; and it is longer, or changes its size while it is read.
pub(super) fn read_file(
    root: &OwnedFd,
    path: &str,
    most: usize,
    wait: Wait,
    reach: Reach,
) -> Result<Vec<u8>, NotRead> {
    let (file, size) = regular_file(root, path, wait, reach)?;
    let size = usize::try_from(size).ok().filter(|size| *size <= most).ok_or(NotRead::Other)?;
    // One byte more shows whether it has grown.
    let mut content = vec![0; size + 1];
    let mut read = 0;
    while let Some(rest) = content.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match read_at(&file, rest, read as u64, wait)? {
            0 => break,
            some => read += some,
        }
    }
    content.truncate(size);
    if read == size { Ok(content) } else { Err(NotRead::Other) }
}

fn read_at(file: &OwnedFd, room: &mut [u8], at: u64, wait: Wait) -> Result<usize, NotRead> {
    match wait {
        // Not at hand; or this system or file system cannot tell. A thread gets the error, if there is one.
        Wait::Never => {
            preadv2(file, &mut [IoSliceMut::new(room)], at, ReadWriteFlags::NOWAIT).map_err(|_| NotRead::Slow)
        }
        Wait::ForDisk => Ok(rustix::io::pread(file, room, at)?),
    }
}

/// The names in a directory, up to `most` of them. For threads that may wait.
///
/// # Errors
/// It cannot be read.
pub(super) fn names(root: &OwnedFd, path: &str, most: usize) -> Result<Vec<String>, NotRead> {
    let directory = open(root, path, OFlags::DIRECTORY, Wait::ForDisk, Reach::RootOnly)?;
    let mut names = Vec::new();
    let mut room = Vec::with_capacity(8192);
    let mut entries = RawDir::new(&directory, room.spare_capacity_mut());
    while names.len() < most
        && let Some(entry) = entries.next()
    {
        if let Ok(name) = entry?.file_name().to_str()
            && !matches!(name, "." | "..")
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Opens a file below the root, through no link.
fn open(root: &OwnedFd, path: &str, flags: OFlags, wait: Wait, reach: Reach) -> Result<OwnedFd, NotRead> {
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if wait == Wait::Never {
        resolve |= ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
    }
    if reach == Reach::RootOnly {
        resolve |= ResolveFlags::NO_XDEV;
    }
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = fs::openat2(root, path, flags, Mode::empty(), resolve);
    opened.map_err(|error| match error {
        // The path is not at hand, leads to another file system, or this system cannot tell: a thread finds out.
        Errno::AGAIN | Errno::INVAL | Errno::XDEV if wait == Wait::Never => NotRead::Slow,
        error => error.into(),
    })
}
