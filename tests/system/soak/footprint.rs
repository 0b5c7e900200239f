//! The cost of Portwarden over time: resident memory and open descriptors. Flat means that the end of the run needs no
//! more than the time after the warm-up did.

use std::fmt;

use crate::support::portwarden::Portwarden;

/// Samples at equal distances.
#[derive(Default)]
pub struct Footprint {
    memory_kib: Vec<u64>,
    descriptors: Vec<u64>,
}

/// The least samples to judge by: four in each fifth.
const MIN_SAMPLES: usize = 20;
/// The memory growth allowed at the end: a sixth, and what the allocator keeps to itself of a crash just before.
const MEMORY_GROWTH: (u64, u64) = (6, 12 << 10);
/// The growth of descriptors allowed over the most there were before: one for each of the 24 clients.
const DESCRIPTOR_GROWTH: (u64, u64) = (6, 24);

impl Footprint {
    /// One sample.
    pub fn take(&mut self, warden: &Portwarden) {
        self.memory_kib.push(warden.rss_kib());
        self.descriptors.push(warden.open_files() as u64);
    }

    /// Returns true if there are samples enough to judge.
    pub fn is_enough(&self) -> bool {
        self.memory_kib.len() >= MIN_SAMPLES
    }

    /// The last sample for a person.
    pub fn last(&self) -> String {
        let last = |samples: &[u64]| samples.last().copied().unwrap_or_default();
        format!("{} MiB resident, {} descriptors", last(&self.memory_kib) >> 10, last(&self.descriptors))
    }

    /// Fails the test unless the end needs as much as the time after the warm-up.
    pub fn assert_flat(&self) {
        assert!(self.is_enough(), "too short to judge: {} samples", self.memory_kib.len());
        let (memory, late_memory) = windows(&self.memory_kib);
        let (_, late_descriptors) = windows(&self.descriptors);
        for (what, early, late, (part, more)) in [
            ("KiB resident", memory, late_memory, MEMORY_GROWTH),
            ("descriptors", full_pools(&self.descriptors), late_descriptors, DESCRIPTOR_GROWTH),
        ] {
            let most = early + early / part + more;
            assert!(late <= most, "{early} {what} after the warm-up, {late} at the end, more than {most}");
        }
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((memory, memory_end), (files, files_end)) =
            (windows(&self.memory_kib), windows(&self.descriptors));
        let peak = self.memory_kib.iter().max().copied().unwrap_or_default();
        write!(
            f,
            "medians after the warm-up and at the end: {} and {} MiB resident (at most {}), {files} and {files_end} \
             descriptors",
            memory >> 10,
            memory_end >> 10,
            peak >> 10
        )
    }
}

/// The medians of the second and of the last fifth: the first is the warm-up.
fn windows(samples: &[u64]) -> (u64, u64) {
    let fifth = samples.len() / 5;
    (median(&samples[fifth..2 * fifth]), median(&samples[samples.len() - fifth..]))
}

/// The most descriptors of the first two fifths, which is when every client had its connections. Their median is no
/// measure: on a slow machine, or after a crash of the registry, few clients may have one yet.
fn full_pools(samples: &[u64]) -> u64 {
    samples.iter().take(2 * (samples.len() / 5)).max().copied().unwrap_or_default()
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[test]
fn growth_is_noticed() {
    let footprint = |memory: fn(u64) -> u64| Footprint {
        memory_kib: (0..100).map(memory).collect(),
        descriptors: vec![30; 100],
    };
    footprint(|_| 80 << 10).assert_flat();
    let grown = std::panic::catch_unwind(|| footprint(|n| (80 << 10) + n * 500).assert_flat());
    assert!(grown.is_err(), "50 MiB more");
    let footprint = |descriptors: fn(u64) -> u64| Footprint {
        memory_kib: vec![80 << 10; 100],
        descriptors: (0..100).map(descriptors).collect(),
    };
    // A slow start, with every client there for a moment only before a crash of the registry.
    footprint(|n| if n < 36 { 30 } else { 78 }).assert_flat();
    let leak = std::panic::catch_unwind(|| footprint(|n| 60 + n / 2 * 2).assert_flat());
    assert!(leak.is_err(), "descriptors are leaked");
}
