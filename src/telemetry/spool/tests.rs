//! Sinks that take everything, nothing, or a bit at a time.

use std::sync::mpsc;

use super::*;

/// More than any of these tests needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hands over every batch that is written.
struct Told(mpsc::Sender<Vec<u8>>);

impl Write for Told {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.send(octets.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told() -> (Spool, mpsc::Receiver<Vec<u8>>) {
    let (told, batches) = mpsc::channel();
    (Spool::start(Told(told)).unwrap(), batches)
}

fn put(shelf: &Shelf, text: &str) {
    shelf.put(|lines| lines.extend_from_slice(text.as_bytes()));
}

/// lines go out together, in their order, without anybody asking.
#[test]
fn lines_are_written_in_batches_and_in_their_order() {
    let (spool, batches) = told();
    let shelf = spool.shelf(Urgency::InBatches);
    let line = "x".repeat(99) + "\n";
    for _ in 0..=BATCH_BYTES / 100 {
        put(&shelf, &line);
    }
    let mut octets = batches.recv_timeout(PATIENCE).unwrap();
    put(&shelf, "last\n");
    while !octets.ends_with(b"last\n") {
        octets.extend(batches.recv_timeout(PATIENCE).unwrap());
    }
    assert_eq!(octets.len(), (BATCH_BYTES / 100 + 1) * 100 + 5);
    assert_eq!(spool.lost(), 0);
}

#[test]
fn what_lies_on_any_shelf_is_written_by_a_flush() {
    let (spool, batches) = told();
    let (first, second) = (spool.shelf(Urgency::InBatches), spool.shelf(Urgency::AtOnce));
    put(&first, "one\n");
    put(&second, "two\n");
    // Left with a line on it.
    put(&spool.shelf(Urgency::InBatches), "three\n");
    drop(spool.shelf(Urgency::InBatches));
    assert!(spool.flush(PATIENCE));
    let written: Vec<u8> = batches.try_iter().flatten().collect();
    for line in ["one\n", "two\n", "three\n"] {
        assert!(written.windows(line.len()).any(|window| window == line.as_bytes()), "{line}");
    }
    spool.close(PATIENCE);
    assert!(batches.recv_timeout(PATIENCE).is_err(), "the thread has let go of the sink");
    assert!(!spool.flush(Duration::ZERO), "nobody writes any more, and nobody waits for it");
}

/// Takes nothing until it is told to.
struct Stalled(mpsc::Receiver<()>, Told);

impl Write for Stalled {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        self.1.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that has stopped reading costs lines, and nobody's time.
#[test]
fn lines_are_dropped_and_counted_while_the_sink_stalls() {
    let ((go, gone), (told, batches)) = (mpsc::channel(), mpsc::channel());
    let spool = Spool::start(Stalled(gone, Told(told))).unwrap();
    let shelf = spool.shelf(Urgency::InBatches);
    put(&shelf, "first\n");
    assert!(!spool.flush(Duration::from_millis(1)), "it is stuck");
    let line = "y".repeat(1023) + "\n";
    for _ in 0..3 * SHELF_BYTES_MAX / 1024 {
        put(&shelf, &line);
    }
    assert!(spool.lost() >= u64::try_from(SHELF_BYTES_MAX / 1024).unwrap(), "{}", spool.lost());
    // A line that begins below the bound is kept whole.
    assert!(lock(&shelf.lines).len() < SHELF_BYTES_MAX + line.len());
    drop(go);
    assert!(spool.flush(PATIENCE), "it goes on where it was");
    let written: Vec<u8> = batches.try_iter().flatten().collect();
    assert!(written.starts_with(b"first\n"));
    assert!(written.ends_with(b"y\n"), "only whole lines");
    let kept = (written.len() - 6) / 1024;
    assert_eq!(kept + usize::try_from(spool.lost()).unwrap(), 3 * SHELF_BYTES_MAX / 1024);
}

/// Takes an octet at a time, sometimes none, and breaks in the end.
struct Fickle(u32, Told);

impl Write for Fickle {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0 += 1;
        match self.0 {
            1 => Err(io::ErrorKind::Interrupted.into()),
            2 => Err(io::ErrorKind::WouldBlock.into()),
            3..=8 => self.1.write(&octets[..1]),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_batch_is_written_on_after_it_was_taken_in_part() {
    let (told, octets) = mpsc::channel();
    let spool = Spool::start(Fickle(0, Told(told))).unwrap();
    let shelf = spool.shelf(Urgency::AtOnce);
    put(&shelf, "a\nb\nc\n");
    assert!(spool.flush(PATIENCE));
    assert_eq!(octets.try_iter().flatten().collect::<Vec<_>>(), b"a\nb\nc\n");
    put(&shelf, "d\ne\n");
    assert!(spool.flush(PATIENCE));
    assert_eq!(spool.lost(), 2, "what cannot be written is counted");
}
