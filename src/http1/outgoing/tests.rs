//! What arrives at a side that takes little at a time.

use std::task::Waker;

use http::HeaderValue;

use super::*;

/// Takes so many octets at a time, and now and then none.
struct Narrow {
    width: usize,
    taken: Vec<u8>,
    calls: usize,
    is_vectored: bool,
}

impl Narrow {
    fn take(&mut self, slices: &[&[u8]]) -> Poll<io::Result<usize>> {
        self.calls += 1;
        if self.width < 8 && self.calls.is_multiple_of(3) {
            return Poll::Pending;
        }
        let octets: Vec<u8> = slices.concat();
        let count = octets.len().min(self.width);
        self.taken.extend_from_slice(&octets[..count]);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.take(&[octets])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        self.take(&slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What arrives of these pieces of content, and in how many calls where the other side takes all that it is given.
fn sent(framing: Framing, pieces: &[&[u8]], trailers: Option<&HeaderMap>) -> (Vec<u8>, usize) {
    let mut arrived: Option<(Vec<u8>, usize)> = None;
    for (width, is_vectored) in [(1, true), (3, true), (7, false), (usize::MAX, false), (usize::MAX, true)] {
        let mut io = Narrow { width, taken: Vec::new(), calls: 0, is_vectored };
        let mut outgoing = Outgoing::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut write = |outgoing: &mut Outgoing, until: fn(&Outgoing) -> bool| {
            while !until(outgoing) {
                assert!(!matches!(outgoing.poll_write(&mut io, &mut context), Poll::Ready(Err(_))));
            }
        };
        outgoing.front().extend_from_slice(b"head ");
        for piece in pieces {
            write(&mut outgoing, Outgoing::has_room);
            outgoing.put(framing, Bytes::copy_from_slice(piece));
        }
        if framing == Framing::Chunked {
            outgoing.put_last_chunk(trailers);
        }
        write(&mut outgoing, Outgoing::is_empty);
        assert_eq!(outgoing.written(), io.taken.len() as u64);
        if let Some((known, _)) = &arrived {
            assert!(*known == io.taken, "the same in steps of {width}");
        }
        arrived = Some((io.taken, io.calls));
    }
    arrived.unwrap()
}

#[test]
fn what_belongs_together_leaves_together() {
    let large = vec![b'z'; COPIED_BYTES_MAX + 1];
    let size = format!("{:x}\r\n", large.len());
    let (octets, calls) = sent(Framing::Sized(large.len() as u64), &[&large], None);
    assert_eq!((octets, calls), ([b"head ", large.as_slice()].concat(), 1));
    let (octets, calls) = sent(Framing::Chunked, &[&large], None);
    let wanted = [b"head ", size.as_bytes(), &large, b"\r\n0\r\n\r\n"].concat();
    assert!(octets == wanted && calls == 1, "{calls} calls");
    let (octets, calls) = sent(Framing::Chunked, &[b"ab", b"", b"c"], None);
    assert_eq!(octets.escape_ascii().to_string(), r"head 2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    assert_eq!(calls, 1);
}

#[test]
fn trailers_come_last() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    let large = vec![b'z'; COPIED_BYTES_MAX + 1];
    let (octets, _) = sent(Framing::Chunked, &[b"a", &large], Some(&trailers));
    assert!(octets.starts_with(b"head 1\r\na\r\n801\r\nzzz"));
    assert!(octets.ends_with(b"zzz\r\n0\r\nx-sum: 1\r\n\r\n"));
    let (octets, _) = sent(Framing::Chunked, &[], Some(&trailers));
    assert_eq!(octets, b"head 0\r\nx-sum: 1\r\n\r\n");
}

#[test]
fn small_pieces_are_gathered_up_to_a_bound() {
    let mut outgoing = Outgoing::default();
    let mut count = 0;
    while outgoing.has_room() {
        outgoing.put(Framing::Sized(1), Bytes::from_static(&[b'x'; 1024]));
        count += 1;
    }
    assert_eq!(count, FRONT_BYTES_MAX / 1024);
}

#[test]
fn a_length_is_not_exceeded() {
    assert_eq!(Framing::Sized(3).without(2), Some(Framing::Sized(1)));
    assert_eq!(Framing::Sized(3).without(4), None);
    assert_eq!(Framing::Chunked.without(4), Some(Framing::Chunked));
}
