//! Lines that wait, are held, written and lost.

use std::sync::mpsc;

use super::*;

/// Reports the bytes it is given, and takes or fails them only on request.
struct Slow(mpsc::Sender<Vec<u8>>, mpsc::Receiver<io::Result<()>>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(bytes.to_vec());
        self.1.recv().unwrap_or(Ok(())).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn slow(most: usize) -> (LineWriter, mpsc::Receiver<Vec<u8>>, mpsc::Sender<io::Result<()>>) {
    let ((said, given), (go, told)) = (mpsc::channel(), mpsc::channel());
    (LineWriter::new("test", most, Stream::new(Slow(said, told))), given, go)
}

#[test]
fn what_waits_is_bounded_in_bytes_and_what_is_lost_is_counted() {
    let (mut lines, given, go) = slow(16 << 20);
    let line = [vec![b'x'; (1 << 20) - 1], b"\n".to_vec()].concat();
    lines.write_all(&line).unwrap();
    let first = given.recv().unwrap().len();
    for _ in 1..40 {
        lines.write_all(&line).unwrap();
    }
    assert_eq!(lines.lost(), 24, "what is being written counts as well");
    drop(go);
    lines.finish();
    assert_eq!(first + given.iter().map(|batch| batch.len()).sum::<usize>(), 16 << 20);
    lines.write_all(b"late").unwrap();
    assert_eq!(lines.lost(), 25);
}

#[test]
fn lines_of_less_worth_leave_room_for_others() {
    let (lines, given, _go) = slow(1000);
    lines.put(b"1\n", Rank::First);
    given.recv().unwrap();
    let put = |rank| {
        let before = lines.lost();
        let taken = || {
            lines.put(b"123456789\n", rank);
            lines.lost() == before
        };
        (0..1000).take_while(|_| taken()).count()
    };
    assert_eq!([Rank::Third, Rank::Third, Rank::Second, Rank::First].map(put), [49, 0, 25, 25]);
}

#[test]
fn lines_that_come_while_others_are_written_are_written_together_and_in_their_order() {
    let (mut lines, given, go) = slow(1000);
    lines.write_all(b"1\n").unwrap();
    assert_eq!(given.recv().unwrap(), b"1\n");
    lines.write_all(b"2\n").unwrap();
    lines.write_all(b"3\n").unwrap();
    go.send(Ok(())).unwrap();
    assert_eq!(given.recv().unwrap(), b"2\n3\n");
    go.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    lines.finish();
    assert_eq!(lines.lost(), 2);
}

#[test]
fn a_held_line_is_written_once_unless_it_is_taken_back() {
    let (lines, given, go) = slow(1000);
    lines.put(b"1\n", Rank::First);
    given.recv().unwrap();
    // The thread is writing, so nothing else is written.
    let (held, back) = (lines.hold(b"held\n", Rank::First), lines.hold(b"back\n", Rank::First));
    let (held, back) = (held.unwrap(), back.unwrap());
    assert!(back.take_back() && !back.take_back() && back.is_taken_back());
    go.send(Ok(())).unwrap();
    assert_eq!(given.recv().unwrap(), b"held\n");
    assert!(!held.take_back() && !held.is_taken_back(), "it is being written");
    let last = lines.hold(b"last\n", Rank::First).unwrap();
    lines.put(b"after\n", Rank::First);
    drop(go);
    lines.finish();
    assert!(!last.take_back(), "the end does not hold it");
    let rest: Vec<u8> = given.iter().flatten().collect();
    assert_eq!(rest, b"last\nafter\n");
    assert_eq!(lines.lost(), 0);
}

#[test]
fn held_lines_count_among_those_that_wait() {
    let (lines, given, _go) = slow(1000);
    lines.put(b"123456789\n", Rank::First);
    given.recv().unwrap();
    let held = (0..1000).map_while(|_| lines.hold(b"123456789\n", Rank::Second)).count();
    assert_eq!((held, lines.lost()), (74, 1));
    lines.put(&[b'x'; 251], Rank::First);
    assert_eq!(lines.lost(), 2);
    lines.put(&[b'x'; 250], Rank::First);
    assert_eq!(lines.lost(), 2);
}

/// Takes so many bytes, and then none for once.
struct Full(Vec<u8>, usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 == 0 {
            self.1 = usize::MAX;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.1);
        self.0.extend_from_slice(&bytes[..taken]);
        self.1 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_was_cut_off_takes_no_other_with_it_and_is_counted_with_those_behind_it() {
    for (room, lost, expected) in [(5, 2, "1\n2\n3\n5\n"), (4, 2, "1\n2\n5\n"), (1, 4, "1\n5\n")] {
        let (mut to, mut whole) = (Full(Vec::new(), room), WholeLines::default());
        assert_eq!(whole.write(&mut to, b"1\n2\n3\n4\n").unwrap_err().1, lost, "{room}");
        whole.write(&mut to, b"5\n").unwrap();
        assert_eq!(String::from_utf8(to.0).unwrap(), expected);
    }
}

#[test]
fn the_end_waits_a_second_at_most() {
    let (mut lines, given, _go) = slow(1000);
    lines.write_all(b"1\n").unwrap();
    given.recv().unwrap();
    let began = std::time::Instant::now();
    // Returns although the line is being written for as long as `_go` is kept.
    lines.finish();
    assert!(began.elapsed() >= PATIENCE);
}
