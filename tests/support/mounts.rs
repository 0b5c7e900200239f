//! Mounts that programs leave in their directories.

use std::path::Path;

use super::command;

/// Unmounts what is mounted at or below `directory`, the innermost first.
pub fn unmount_below(directory: &Path) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let ours: Vec<&str> = points.filter(|point| Path::new(point).starts_with(directory)).collect();
    for point in ours.iter().rev() {
        command::run("umount", &["--lazy", point], &[]);
    }
}
