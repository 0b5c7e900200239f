//! Reaping what commands leave behind.
//!
//! A process that outlives its parent comes to the first process of the machine, which reaps it. In a container without
//! an init that is Portwarden. Each command that is killed while a process that it started runs would leave a zombie
//! for ever. A client that hangs up often enough would use up the ids of the container.

use parking_lot::Mutex;
use rustix::{
    io::Errno,
    process::{Pid, WaitId, WaitIdOptions, waitid},
};

/// The groups in which a child of this process may be left.
static LEFT: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The group of a command. To be dropped when no other code will wait for the leader. Then, and whenever another
/// command is begun or ends, the dead of the group that have become children of this process are reaped.
pub(super) struct ChildReaper(pub(super) Option<Pid>);

impl Drop for ChildReaper {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            LEFT.lock().push(group);
        }
        reap();
    }
}

/// Reaps the dead of all groups. To be called before another command is begun: so no group without a child of this
/// process is remembered when its id is given out again.
pub(super) fn reap() {
    LEFT.lock().retain(|group| has_children(*group));
}

/// Reaps the dead of a group. Returns true if it has other children of this process; outside such a container there are
/// none.
fn has_children(group: Pid) -> bool {
    loop {
        match waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
