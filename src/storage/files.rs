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
    let mut names = Vec::new();
    each(&directory(root, path)?, |name, _| {
        names.extend(name.map(str::to_owned));
        Ok(names.len() < most)
    })?;
    Ok(names)
}

/// Opens a directory below another one. For threads that may wait.
///
/// # Errors
/// It is not there, or is none.
pub(super) fn directory(root: &OwnedFd, path: &str) -> Result<OwnedFd, NotRead> {
    open(root, path, OFlags::DIRECTORY, Wait::ForDisk, Reach::RootOnly)
}

/// The names in a directory that has nothing but directories, in its own order. For threads that may wait.
///
/// # Errors
/// It cannot be read, has something else, or more than `most`.
pub(super) fn directories(directory: &OwnedFd, most: usize) -> Result<Vec<String>, NotRead> {
    let mut names = Vec::new();
    each(directory, |name, kind| match name {
        Some(name) if kind == FileType::Directory && names.len() < most => {
            names.push(name.to_owned());
            Ok(true)
        }
        _ => Err(NotRead::Other),
    })?;
    Ok(names)
}

/// Shows each name in a directory, if it is text, and its kind, until that returns false.
fn each(
    directory: &OwnedFd,
    mut show: impl FnMut(Option<&str>, FileType) -> Result<bool, NotRead>,
) -> Result<(), NotRead> {
    let mut room = Vec::with_capacity(8192);
    let mut entries = RawDir::new(directory, room.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_str().ok();
        if !matches!(name, Some("." | "..")) && !show(name, entry.file_type())? {
            break;
        }
    }
    Ok(())
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
