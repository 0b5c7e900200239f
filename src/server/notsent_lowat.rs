//! Bounds the bytes for a client that wait in the kernel for their turn on the wire.
//!
//! By default that is the kernel's buffer, which grows to megabytes for a client that lags behind. With a thousand such
//! clients that is memory which all connections of the machine share. Over loopback, a client with such a queue is sent
//! segments of 64 KB, and its window has no room for a second one. It gets one for each probe of that window, four or
//! five times in a second, and stays behind.

use std::{io, task::Poll};

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::net::BufferBudget;

/// The bound of one socket: about what the budget has for each connection.
#[derive(Debug)]
pub(crate) struct Unsent {
    budget: BufferBudget,
    /// The bound last set in the kernel; none before there was much to send, so that a small answer pays nothing.
    bound: Option<usize>,
    /// Bytes written since.
    since: usize,
}

/// The size from which an answer is no small one any more, in bytes.
const MUCH: usize = 16 << 10;

impl Unsent {
    pub(crate) fn new(budget: BufferBudget) -> Self {
        Self { budget, bound: None, since: 0 }
    }

    /// Called with the result of a write. The kernel takes no more while the bound or more is unsent, beside the
    /// segment that it has begun, and wakes the waiting task when it is less than half (`TCP_NOTSENT_LOWAT`, Linux
    /// 3.12).
    ///
    /// By the clock, a slow client seems to take nothing until then, so the bound never meets much more than it allows.
    /// It begins with no less than all that was written. It is lowered by a quarter at a time, each time enough was
    /// taken since to be worth a call; so at most five eighths of the waiting bytes have to leave. It is raised at
    /// once, when the share of each connection is a third more.
    pub(crate) fn written(&mut self, socket: &TcpStream, written: &Poll<io::Result<usize>>) {
        let taken = if let Poll::Ready(Ok(bytes)) = written { *bytes } else { 0 };
        self.since = self.since.saturating_add(taken);
        let has_much = taken > 0 && self.since >= MUCH;
        let piece = self.budget.piece();
        let bound = match self.bound {
            None if has_much => piece.max(self.since),
            Some(bound) if piece - piece / 4 >= bound => piece,
            Some(bound) if has_much && piece <= bound - bound / 4 => bound - bound / 4,
            _ => return,
        };
        (self.bound, self.since) = (Some(bound), 0);
        // Only less fair without, and no reason to end.
        let _ = SockRef::from(socket).set_tcp_notsent_lowat(u32::try_from(bound).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::IoSlice, net::Ipv4Addr, pin::Pin};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWrite},
        net::TcpListener,
    };

    use super::*;
    use crate::server::listener::Stream;

    /// A socket whose client reads only on request.
    struct Ends {
        client: TcpStream,
        stream: Stream,
        vectored: bool,
    }

    impl Ends {
        async fn connect(budget: &BufferBudget, vectored: bool) -> Self {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let (client, accepted) =
                tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
            let stream = Stream::Tcp(accepted.unwrap().0, None).bounded(budget.clone());
            Self { client: client.unwrap(), stream, vectored }
        }

        /// Writes, and says how much the socket took: nothing when it is full.
        async fn write(&mut self, bytes: usize) -> usize {
            let (piece, vectored) = (vec![0; bytes], self.vectored);
            let mut stream = Pin::new(&mut self.stream);
            let written = poll_fn(|cx| {
                Poll::Ready(match vectored {
                    true => stream.as_mut().poll_write_vectored(cx, &[IoSlice::new(&piece)]),
                    false => stream.as_mut().poll_write(cx, &piece),
                })
            });
            match written.await {
                Poll::Ready(written) => written.unwrap(),
                Poll::Pending => 0,
            }
        }

        /// Writes to it while it is empty.
        async fn begin(&mut self, bytes: usize) {
            while self.write(bytes).await == 0 {
                tokio::task::yield_now().await;
            }
        }

        /// Writes until it is full.
        async fn fill(&mut self) {
            while self.write(64 << 10).await > 0 {}
        }

        /// Has the client read until the socket takes something of so many bytes.
        async fn drain(&mut self, bytes: usize) {
            let mut piece = vec![0; 1 << 20];
            while self.write(bytes).await == 0 {
                assert!(self.client.read(&mut piece).await.unwrap() > 0);
            }
        }

        fn bound(&self) -> usize {
            let Stream::Tcp(socket, _) = &self.stream else { panic!("a Unix socket") };
            usize::try_from(SockRef::from(socket).tcp_notsent_lowat().unwrap()).unwrap()
        }
    }

    #[tokio::test]
    async fn the_kernel_is_told_what_each_may_have_waiting() {
        for vectored in [false, true] {
            let budget = BufferBudget::default();
            let mut ends = Ends::connect(&budget, vectored).await;
            let alone = budget.piece();
            ends.begin(MUCH - 1).await;
            assert_eq!(ends.bound(), 0, "after a small answer");
            ends.begin(1).await;
            assert_eq!(ends.bound(), alone, "after small answers that are much together");
            ends.fill().await;
            assert_eq!(ends.bound(), alone);
            let mut shares: Vec<_> = (0..10_000).map(|_| budget.share()).collect();
            let one_of_many = budget.piece();
            let mut late = Ends::connect(&budget, vectored).await;
            late.begin(MUCH - 1).await;
            let more = late.write(4 * one_of_many).await;
            assert!(more > one_of_many, "{more}");
            assert_eq!(late.bound(), MUCH - 1 + more, "less than waits there");
            ends.fill().await;
            assert_eq!(ends.bound(), alone, "lowered while it is full");
            ends.drain(MUCH).await;
            assert_eq!(ends.bound(), alone / 4 * 3, "lowered at once");
            ends.drain(1).await;
            assert_eq!(ends.bound(), alone / 4 * 3, "lowered by what is little");
            for _ in 0..20 {
                ends.drain(MUCH).await;
            }
            let lowest = ends.bound();
            assert!((one_of_many..one_of_many * 4 / 3).contains(&lowest), "{lowest}");
            while budget.piece() <= one_of_many {
                shares.pop();
            }
            ends.drain(MUCH).await;
            assert_eq!(ends.bound(), lowest, "told anew for one that went");
            ends.fill().await;
            shares.clear();
            ends.fill().await;
            assert_eq!(ends.bound(), alone, "raised while it is full");
            while budget.piece() == alone {
                shares.push(budget.share());
            }
            ends.drain(MUCH).await;
            assert_eq!(ends.bound(), alone, "told anew for one that came");
        }
    }
}
