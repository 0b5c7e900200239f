//! The rules in force as the next rules, too: whatever a client does, `replay` and `shadow` find no difference.

use std::{fs, ops::Deref};

use tempfile::TempDir;

use super::{
    audit::{TO_FILE, lines},
    command,
    metrics::{self, value},
    portwarden::{ACL, Portwarden, portwarden, program},
    process::{PATIENCE, eventually},
    registry::Registry,
};

/// A Portwarden with an audit log, whose rules are its next rules as well.
pub struct SameRules {
    warden: Portwarden,
    _next: TempDir,
}

/// Starts one, with the usual rules.
pub fn same_rules(registry: &Registry) -> SameRules {
    let next = tempfile::tempdir().unwrap();
    let file = next.path().join("next.yml");
    fs::write(&file, format!("acl:\n{}\n", ACL.trim_matches('\n'))).unwrap();
    let shadow = format!("shadow: {{acl_file: '{}', until: '2999-12-31'}}", file.display());
    let warden = portwarden(registry).with(TO_FILE).with(metrics::ON).with(&shadow).start();
    SameRules { warden, _next: next }
}

impl Deref for SameRules {
    type Target = Portwarden;

    fn deref(&self) -> &Portwarden {
        &self.warden
    }
}

impl SameRules {
    /// Fails the test if `replay` of all that was asked, or the comparison of each live request, found a difference, or could
    /// not decide.
    #[track_caller]
    pub fn assert_no_difference(&self) {
        let count = |outcome: &str| {
            value(&self.warden, &format!("portwarden_shadow_total{{outcome=\"{outcome}\"}}")).unwrap()
        };
        let found = ["same", "gain", "loss", "undecided"].map(count);
        assert!(found[0] > 0.0 && found[1..] == [0.0; 3], "same, gain, loss, undecided: {found:?}");
        let log = self.file("audit.log");
        let decisions = || lines(&log).iter().filter(|line| line["event"] == "decision").count();
        assert!(eventually(PATIENCE, || decisions() as f64 >= found[0]), "{} of {}", decisions(), found[0]);
        let (config, log) = (self.file("portwarden.yml"), log.display().to_string());
        let args = ["replay", "-c", config.to_str().unwrap(), "--audit", &log];
        let replay = command::run(&program(), &args, &[]).succeeds();
        assert!(replay.stdout.starts_with("gain: none\nlose: none\nread "), "{}", replay.stdout);
        assert!(
            !replay.stdout.contains("foreign") && !replay.stdout.contains("undecided"),
            "{}",
            replay.stdout
        );
    }
}
