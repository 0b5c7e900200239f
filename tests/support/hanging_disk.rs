//! A file system that shows a directory, and hangs when it is told to: a FUSE server of the tests, which reads only. Mounting
//! is root's to do. The protocol is that of `linux/fuse.h`, version 7.31.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use tempfile::TempDir;

use super::programs;

/// A mounted file system; unmounted when dropped.
pub struct HangingDisk {
    at: TempDir,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    hangs: Mutex<bool>,
    changed: Condvar,
}

impl HangingDisk {
    /// One that shows `directory`.
    pub fn of(directory: &Path) -> Self {
        let at = tempfile::Builder::new().prefix("portwarden-hanging-").tempdir().unwrap();
        let device =
            OpenOptions::new().read(true).write(true).open("/dev/fuse").expect("the tests need root");
        // `mount` hands it to the kernel.
        rustix::io::fcntl_setfd(&device, rustix::io::FdFlags::empty()).unwrap();
        let options = format!("ro,fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let mut mount = programs::command("mount");
        mount.args(["-i", "-t", "fuse", "-o", &options, "portwarden-tests"]).arg(at.path());
        assert!(mount.status().unwrap().success(), "cannot mount a FUSE file system; the tests need root");
        rustix::io::fcntl_setfd(&device, rustix::io::FdFlags::CLOEXEC).unwrap();
        let state = Arc::<State>::default();
        let server =
            Server { device, nodes: vec![PathBuf::new(), directory.to_owned()], state: Arc::clone(&state) };
        thread::spawn(|| server.run());
        Self { at, state }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.at.path()
    }

    /// From now on no question is answered, until the value is dropped.
    pub fn hangs(&self) -> GoesOn<'_> {
        self.hang(true);
        GoesOn(self)
    }

    fn hang(&self, hangs: bool) {
        *self.state.hangs.lock().unwrap() = hangs;
        self.state.changed.notify_all();
    }
}

/// Lets the disk go on when it is dropped. A program that waits for a disk does not end, so it is to be dropped first.
pub struct GoesOn<'a>(&'a HangingDisk);

impl Drop for GoesOn<'_> {
    fn drop(&mut self) {
        self.0.hang(false);
    }
}

impl Drop for HangingDisk {
    fn drop(&mut self) {
        self.hang(false);
        let _ = programs::command("umount").arg("--lazy").arg(self.at.path()).status();
    }
}

struct Server {
    device: File,
    /// The paths, by the number that the kernel has for each; 1 is the root.
    nodes: Vec<PathBuf>,
    state: Arc<State>,
}

const UNMOUNTED: i32 = 19;
const NOT_FOUND: i32 = -2;
const NOT_IMPLEMENTED: i32 = -38;

impl Server {
    fn run(mut self) {
        let mut request = vec![0; 1 << 20];
        loop {
            let length = match self.device.read(&mut request) {
                Ok(length) => length,
                Err(error) if error.raw_os_error() == Some(UNMOUNTED) => return,
                // The question was taken back.
                Err(_) => continue,
            };
            let mut hangs = self.state.hangs.lock().unwrap();
            while *hangs {
                hangs = self.state.changed.wait(hangs).unwrap();
            }
            drop(hangs);
            let number = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
            let long = |at: usize| u64::from_le_bytes(request[at..at + 8].try_into().unwrap());
            let (opcode, unique, node) = (number(4), long(8), usize::try_from(long(16)).unwrap());
            let answer = match opcode {
                1 => self.lookup(node, &request[40..length - 1]),
                2 | 36 | 42 => continue,
                3 => attributes(&self.nodes[node]).map(|attributes| [vec![0; 16], attributes].concat()),
                14 | 27 => Ok(vec![0; 16]),
                15 => read(&self.nodes[node], long(48), number(56)),
                18 | 25 | 29 => Ok(Vec::new()),
                26 => Ok(init()),
                _ => Err(NOT_IMPLEMENTED),
            };
            let (error, content) = answer.map_or_else(|error| (error, Vec::new()), |content| (0, content));
            let head = u32::try_from(16 + content.len()).unwrap().to_le_bytes();
            let whole = [&head[..], &error.to_le_bytes(), &unique.to_le_bytes(), &content].concat();
            // The question may be taken back.
            let _ = self.device.write(&whole);
        }
    }

    /// The kernel may keep nothing of the answer.
    fn lookup(&mut self, parent: usize, name: &[u8]) -> Result<Vec<u8>, i32> {
        let path = self.nodes[parent].join(std::str::from_utf8(name).unwrap());
        let attributes = attributes(&path)?;
        self.nodes.push(path);
        let node = self.nodes.len() as u64 - 1;
        Ok([&node.to_le_bytes()[..], &[0; 32], &attributes].concat())
    }
}

fn init() -> Vec<u8> {
    let mut init = Vec::new();
    for number in [7_u32, 31, 128 << 10, 0, 0x000c_0010, 128 << 10, 1] {
        init.extend(number.to_le_bytes());
    }
    init.resize(64, 0);
    init
}

fn attributes(path: &Path) -> Result<Vec<u8>, i32> {
    let found: Metadata = fs::symlink_metadata(path).map_err(|_| NOT_FOUND)?;
    let mut attributes = Vec::new();
    for number in [found.ino(), found.size(), found.blocks(), 0, 0, 0] {
        attributes.extend(number.to_le_bytes());
    }
    for number in [0, 0, 0, found.mode(), 1, 0, 0, 0, 4096, 0] {
        attributes.extend(u32::to_le_bytes(number));
    }
    Ok(attributes)
}

fn read(path: &Path, offset: u64, size: u32) -> Result<Vec<u8>, i32> {
    let file = File::open(path).map_err(|_| NOT_FOUND)?;
    let mut content = vec![0; usize::try_from(size).unwrap()];
    let read = file.read_at(&mut content, offset).map_err(|_| NOT_FOUND)?;
    content.truncate(read);
    Ok(content)
}
