//! The lines of the audit log that are in its files, the newest first: those of the file, then those of the files that it was
//! renamed to (`audit.log.1`, `audit.log-20260102`). Compressed ones are not read.
//!
//! Each reading has a bound, and says where the next one goes on.

use std::{
    cmp::Reverse,
    fmt,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

use memchr::{memchr, memrchr};
use rustix::fs::OFlags;

/// The files of an audit log.
#[derive(Debug, Clone)]
pub struct History(PathBuf);

/// A place between two lines. Displays as, and is read from, `<file>-<offset>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The number of the file in its file system: a name moves to another file when the log is rotated.
    file: u64,
    offset: u64,
}

/// The end of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// There may be more before this.
    Until(Position),
    /// There is no older line.
    Whole,
    /// There is no older line that can be read, and a file that cannot: it is another user's, or there are too many.
    Unread,
    /// The place from which to read is no longer there: its file was removed or compressed.
    Gone,
}

/// Bytes that are read at once.
const BLOCK: u64 = 64 << 10;
/// The longest line that is kept: the log has none above 48 KiB.
const LONGEST: usize = 1 << 20;
/// The most files, and the most names in their directory that are looked at.
const FILES: usize = 100;
const NAMES: usize = 10_000;
/// The ends of the names of compressed files.
const COMPRESSED: [&str; 4] = [".gz", ".zst", ".xz", ".bz2"];
/// The start of each line, before its time.
const BEFORE_TIME: &[u8] = br#"{"time":""#;

impl History {
    pub(super) fn of(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Reads lines backwards from a place, or from the end, until `take` returns false or `most` bytes are read: more than a
    /// mebibyte, or what has no end of a line is not passed over.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read_back(
        &self,
        from: Option<Position>,
        most: u64,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<ReadBack> {
        let (files, has_unread) = self.files()?;
        let first = match from {
            None => 0,
            Some(from) => {
                match files.iter().position(|file| file.number == from.file && from.offset <= file.length) {
                    Some(first) => first,
                    None => return Ok(ReadBack::Gone),
                }
            }
        };
        let mut left = most;
        for (at, file) in files.iter().enumerate().skip(first) {
            let end = from.filter(|_| at == first).map_or(file.length, |from| from.offset);
            if let Some(offset) = file.read_back(end, &mut left, &mut take)? {
                return Ok(ReadBack::Until(Position { file: file.number, offset }));
            }
        }
        Ok(if has_unread { ReadBack::Unread } else { ReadBack::Whole })
    }

    /// The place behind all lines that were written before a moment, as far as lines are in the order of their time.
    /// `moment` is the start of a time as it is written: `2026-01-02T03:04`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn before(&self, moment: &str) -> io::Result<Option<Position>> {
        for file in self.files()?.0 {
            if file.time_at(0)?.is_some_and(|(_, time)| time.as_slice() < moment.as_bytes()) {
                return Ok(Some(Position { file: file.number, offset: file.before(moment.as_bytes())? }));
            }
        }
        Ok(None)
    }

    /// The files, the newest first; true beside them if there are more that cannot be read.
    fn files(&self) -> io::Result<(Vec<LogFile>, bool)> {
        let current = match LogFile::open(&self.0) {
            // Renamed, and the next line makes it anew.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            current => Some(current?),
        };
        let (directory, name) = (self.0.parent(), self.0.file_name().and_then(|name| name.to_str()));
        let (Some(directory), Some(name)) = (directory, name) else {
            return Ok((current.into_iter().collect(), false));
        };
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let is_rotated = |found: &str| {
            let rest = found.strip_prefix(name).unwrap_or_default();
            rest.starts_with(['.', '-']) && !COMPRESSED.iter().any(|end| rest.ends_with(end))
        };
        let found = directory.read_dir()?.take(NAMES).filter_map(Result::ok);
        let found = found.filter(|entry| entry.file_name().to_str().is_some_and(is_rotated));
        // Neither a pipe nor a folder is a file of the log.
        let found = found.filter_map(|entry| Some((entry.path(), entry.path().metadata().ok()?)));
        let mut rotated: Vec<_> = found.filter(|(_, found)| found.is_file()).collect();
        rotated.retain(|(_, found)| current.as_ref().is_none_or(|current| found.ino() != current.number));
        rotated.sort_by_key(|(_, found)| Reverse((found.mtime(), found.mtime_nsec())));
        let there = rotated.len();
        let read: Vec<LogFile> =
            rotated.into_iter().take(FILES).filter_map(|(path, _)| LogFile::open(&path).ok()).collect();
        let has_unread = read.len() < there;
        Ok((current.into_iter().chain(read).collect(), has_unread))
    }
}

/// One of the files.
struct LogFile {
    file: File,
    number: u64,
    length: u64,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        // A pipe is not waited for.
        let flags = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self { file, number: found.ino(), length: found.len() })
    }

    /// Reads lines backwards from `end`. Returns the place to go on from; `None` at the start of the file.
    fn read_back(
        &self,
        mut end: u64,
        left: &mut u64,
        take: &mut impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Option<u64>> {
        // The start of a line whose beginning is not read yet.
        let mut rest: Vec<u8> = Vec::new();
        while end > 0 {
            if *left == 0 {
                return Ok(Some(end + rest.len() as u64));
            }
            let start = end.saturating_sub(BLOCK);
            *left = left.saturating_sub(end - start);
            let mut block = self.read(start, end)?;
            block.append(&mut rest);
            let mut until = block.len();
            loop {
                let lines = block.get(..until).unwrap_or_default();
                let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
                let Some(before) = memrchr(b'\n', lines) else { break };
                if !take(lines.get(before + 1..).unwrap_or_default()) {
                    return Ok(Some(start + before as u64 + 1));
                }
                until = before + 1;
            }
            block.truncate(until);
            // No line of the log: it is passed over, so that the next reading is further on.
            if block.len() > LONGEST {
                block.clear();
            }
            (rest, end) = (block, start);
        }
        let first = rest.strip_suffix(b"\n").unwrap_or(&rest);
        // At the start: what is before it is in another file.
        let goes_on = first.is_empty() || take(first);
        Ok(if goes_on { None } else { Some(0) })
    }

    fn read(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or_default()];
        self.file.read_exact_at(&mut block, start)?;
        Ok(block)
    }

    /// The start and the time of the first line that begins at `offset` or behind, in the next block.
    fn time_at(&self, offset: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
        let block = self.read(offset, self.length.min(offset + BLOCK))?;
        let skipped = match offset {
            0 => 0,
            _ => match memchr(b'\n', &block) {
                Some(end) => end + 1,
                None => return Ok(None),
            },
        };
        let line = block.get(skipped..).unwrap_or_default();
        let time = line.strip_prefix(BEFORE_TIME).map(|time| time.get(..27).unwrap_or(time).to_vec());
        Ok(time.map(|time| (offset + skipped as u64, time)))
    }

    /// The place behind the lines of before a moment, to within a block.
    fn before(&self, moment: &[u8]) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.length);
        while high - low > BLOCK {
            let middle = low + (high - low) / 2;
            match self.time_at(middle)? {
                Some((start, time)) if time.as_slice() < moment && start < high => low = start,
                _ => high = middle,
            }
        }
        // To the end of a line.
        let behind = self.read(high, self.length.min(high + BLOCK))?;
        Ok(memchr(b'\n', &behind).map_or(self.length, |end| high + end as u64 + 1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.file, self.offset)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (file, offset) = text.split_once('-').ok_or(())?;
        Ok(Self { file: file.parse().map_err(drop)?, offset: offset.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests;
