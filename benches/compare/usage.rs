//! Measures the resources that processes have used, from `/proc`: a contender is a process with its descendants.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::process::pause;

/// Those processes and their descendants: nginx works in children.
pub fn tree(roots: &[u32]) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            Some((id, stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut all = roots.to_vec();
    let mut at = 0;
    while at < all.len() {
        let of = all[at];
        all.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(id, _)| *id));
        at += 1;
    }
    all
}

/// Looks at processes from its start to its stop.
pub struct Meter<'a> {
    processes: &'a [u32],
    cpu: Duration,
    kernel: Duration,
    began: Instant,
}

/// The time between the two, in seconds.
#[derive(Clone, Copy)]
pub struct Spent {
    /// Of the processors, in user and system mode.
    pub cpu: f64,
    /// Of it in system mode, of the first process and its descendants alone: a registry that counts as well comes after
    /// it.
    pub kernel: f64,
    /// Of the clock.
    pub wall: f64,
}

impl<'a> Meter<'a> {
    /// Starts.
    pub fn start(processes: &'a [u32]) -> Self {
        Self { processes, cpu: cpu(processes), kernel: kernel(processes), began: Instant::now() }
    }

    /// Stops.
    pub fn stop(self) -> Spent {
        let wall = self.began.elapsed().as_secs_f64();
        let cpu = (cpu(self.processes) - self.cpu).as_secs_f64();
        Spent { cpu, kernel: kernel(self.processes).saturating_sub(self.kernel).as_secs_f64(), wall }
    }
}

/// The time in system mode of the first of them. Which mode is sampled at the clock's ticks and scaled to the exact time
/// (`cputime_adjust` in the kernel), so it is right to some per cent of a second's work.
fn kernel(roots: &[u32]) -> Duration {
    Duration::from_millis(tree(&roots[..1]).into_iter().map(|process| ticks(process)[1] * 10).sum())
}

/// The time that processors have spent on them, in user and system mode.
pub fn cpu(roots: &[u32]) -> Duration {
    // Running time is counted with the next tick of the clock: they come to rest first.
    pause(Duration::from_millis(10));
    tree(roots).into_iter().map(cpu_of).sum()
}

/// `schedstat` has nanoseconds, but of threads that live only; `stat` has those that ended as well, in ticks of ten
/// milliseconds, rounded down. Each is too little at most, so the greater one is right: the exact one unless threads
/// end.
fn cpu_of(process: u32) -> Duration {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let threads =
        fs::read_dir(format!("/proc/{process}/task")).unwrap_or_else(|_| panic!("{process} has ended"));
    let living: u64 = threads
        .flatten()
        .filter_map(|thread| {
            read(thread.path().join("schedstat").to_str()?).split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum();
    Duration::from_nanos(living).max(Duration::from_millis(ticks(process).iter().sum::<u64>() * 10))
}

/// In user and in system mode, also of threads that have ended.
fn ticks(process: u32) -> [u64; 2] {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    [11, 12].map(|field| fields[field].parse().expect("ticks"))
}

/// The memory that is theirs now, in bytes. Pages that several of them share count once.
pub fn memory(roots: &[u32]) -> u64 {
    tree(roots).into_iter().map(|process| kib(process, "smaps_rollup", "Pss:") << 10).sum()
}

/// The most resident memory that each of them ever had, in bytes.
pub fn peak_memory(roots: &[u32]) -> u64 {
    tree(roots).into_iter().map(|process| kib(process, "status", "VmHWM:") << 10).sum()
}

fn kib(process: u32, file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).expect("a running process");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).expect("KiB")
}

/// The time that processors have spent on the thread that asks.
pub fn cpu_of_this_thread() -> Duration {
    pause(Duration::from_millis(1));
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("the time of a thread");
    Duration::from_nanos(
        text.split_whitespace().next().and_then(|time| time.parse().ok()).expect("nanoseconds"),
    )
}
