//! Reading backwards over files that are rotated, too many, or no files of the log.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use super::*;

fn line(n: usize) -> String {
    format!(
        "{{\"time\":\"2026-01-02T03:{:02}:{:02}.000000Z\",\"n\":\"{n}{}\"}}\n",
        n / 60,
        n % 60,
        "x".repeat(n % 700)
    )
}

/// Two files with 3,000 lines, of which the newest thousand are in the current one.
fn log() -> (tempfile::TempDir, History) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let text = |from, to| (from..to).map(line).collect::<String>();
    fs::write(path.with_extension("log.1"), text(0, 2000)).unwrap();
    fs::write(path.with_extension("log.2.gz"), "compressed").unwrap();
    fs::write(path.with_extension("logs"), "another").unwrap();
    fs::write(&path, text(2000, 3000)).unwrap();
    let history = History::of(&path);
    (directory, history)
}

#[test]
fn all_lines_are_read_backwards_whatever_the_bounds_are() {
    let (_directory, history) = log();
    for (most, lines) in
        [(u64::MAX, usize::MAX), (1, usize::MAX), (BLOCK * 2, usize::MAX), (u64::MAX, 1), (u64::MAX, 7)]
    {
        let (mut read, mut from) = (Vec::new(), None);
        loop {
            let mut taken = 0;
            let end = history.read_back(from, most, |line| {
                read.push(String::from_utf8(line.to_vec()).unwrap());
                taken += 1;
                taken < lines
            });
            match end.unwrap() {
                ReadBack::Until(position) => from = Some(position.to_string().parse().unwrap()),
                ReadBack::Whole => break,
                end => panic!("{end:?} {from:?}"),
            }
        }
        let expected: Vec<String> = (0..3000).rev().map(|n| line(n).trim_end().to_owned()).collect();
        assert!(read == expected, "{most} {lines}: {} lines", read.len());
    }
}

#[test]
fn a_place_is_found_after_a_rotation_and_is_gone_with_its_file() {
    let (directory, history) = log();
    let end = history.read_back(None, u64::MAX, |line| {
        !line.ends_with(b"x\"}") || !line.windows(5).any(|part| part == b"2500x")
    });
    let ReadBack::Until(position) = end.unwrap() else { panic!() };
    let next = |history: &History| {
        let mut next = None;
        let end = history.read_back(Some(position), u64::MAX, |line| {
            next = Some(String::from_utf8(line.to_vec()).unwrap());
            false
        });
        end.map(|_| next)
    };
    let expected = Some(line(2499).trim_end().to_owned());
    assert_eq!(next(&history).unwrap(), expected);
    let (path, rotated) = (directory.path().join("audit.log"), directory.path().join("audit.log-20260102"));
    fs::rename(&path, &rotated).unwrap();
    fs::write(&path, line(3000)).unwrap();
    assert_eq!(next(&history).unwrap(), expected);
    fs::remove_file(&rotated).unwrap();
    assert_eq!(history.read_back(Some(position), u64::MAX, |_| panic!()).unwrap(), ReadBack::Gone);
    for text in ["", "1", "1-", "-1", "1-2-3", "x-1", "../etc-1"] {
        assert!(text.parse::<Position>().is_err(), "{text}");
    }
}

#[test]
fn of_too_many_files_the_newest_are_read_and_the_rest_is_no_end() {
    let (directory, history) = log();
    let older = SystemTime::now() - Duration::from_secs(3600);
    for n in 0..FILES {
        let file = File::create(directory.path().join(format!("audit.log-{n}"))).unwrap();
        file.set_modified(older).unwrap();
    }
    let mut lines = 0;
    let end = history.read_back(None, u64::MAX, |_| {
        lines += 1;
        true
    });
    assert_eq!((end.unwrap(), lines), (ReadBack::Unread, 3000));
}

#[test]
fn a_moment_is_found_in_either_file() {
    let (_directory, history) = log();
    for n in [1, 500, 1999, 2001, 2500, 2999] {
        let moment = line(n)[9..28].to_owned();
        let position = history.before(&moment).unwrap().unwrap();
        let mut all = 0;
        let older = |line: &[u8]| line.get(9..28).is_some_and(|time| time < moment.as_bytes());
        let mut skipped = 0;
        let end = history.read_back(Some(position), u64::MAX, |line| {
            if older(line) {
                all += 1;
            } else {
                skipped += 1;
            }
            true
        });
        assert_eq!((end.unwrap(), all), (ReadBack::Whole, n), "{n}");
        assert!(skipped < 1000, "{n}: {skipped}");
    }
    assert_eq!(history.before("2025").unwrap(), None);
}

/// Its opening would wait for a writer, and hold up the page for ever.
#[test]
fn a_pipe_beside_the_log_is_not_waited_for() {
    let (directory, history) = log();
    let pipe = directory.path().join("audit.log.3");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = 0;
        let end = history.read_back(None, u64::MAX, |_| {
            lines += 1;
            true
        });
        tell.send((end.unwrap(), lines)).unwrap();
    });
    assert_eq!(told.recv_timeout(std::time::Duration::from_secs(30)), Ok((ReadBack::Whole, 3000)));
}

#[test]
fn what_has_no_end_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    fs::write(&path, format!("{}{}\n{}", line(1), "y".repeat(3 * LONGEST), line(2))).unwrap();
    let (mut from, mut read, mut visits) = (None, Vec::new(), 0);
    loop {
        visits += 1;
        let end = History::of(&path).read_back(from, 2 * LONGEST as u64, |line| {
            read.push(line.len());
            true
        });
        let ReadBack::Until(position) = end.unwrap() else { break };
        assert_ne!(Some(position), from, "no reading stands still");
        from = Some(position);
        assert!(visits < 100);
    }
    assert_eq!((read.first(), read.last()), (Some(&(line(2).len() - 1)), Some(&(line(1).len() - 1))));
}
