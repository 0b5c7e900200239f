//! How much of what a client is sent waits in the kernel for its turn on the wire.
//!
//! Up to its buffer, which grows to megabytes for a client that lags behind, unless told otherwise: with a thousand of them
//! that is memory which all connections of the machine share, and over loopback whoever has such a queue is sent segments of
//! 64 KB, of which the client's window has no room for a second one: it gets one for each probe of that window, four or five
//! times in a second, and stays behind.

use std::{io, task::Poll};

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::proxy::Allowance;

/// The bound of one socket: what the allowance has for each.
#[derive(Debug)]
pub(super) struct Unsent {
    allowance: Allowance,
    /// As the kernel knows it; `None` until there was much to send, so that small answers pay nothing.
    bound: Option<usize>,
}

/// So many bytes at a time are a transfer's.
const MUCH: usize = 16 << 10;

impl Unsent {
    pub(super) fn new(allowance: Allowance) -> Self {
        Self { allowance, bound: None }
    }

    /// Called with what became of a write. From now on, the socket takes more when less than the bound is unsent
    /// (`TCP_NOTSENT_LOWAT`, Linux 3.12). Told anew when what each may have is less than half or more than twice as much.
    pub(super) fn written(&mut self, socket: &TcpStream, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(bytes)) if *bytes < MUCH) {
            return;
        }
        let piece = self.allowance.piece();
        if self.bound.is_some_and(|bound| (bound / 2..=bound * 2).contains(&piece)) {
            return;
        }
        self.bound = Some(piece);
        // Only less fair without, and no reason to end.
        let _ = SockRef::from(socket).set_tcp_notsent_lowat(u32::try_from(piece).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, net::Ipv4Addr, pin::Pin};

    use tokio::{io::AsyncWrite, net::TcpListener};

    use super::{super::listener::Stream, *};

    /// Writes until the socket takes no more, and says what it is bound to.
    async fn bound_when_full(stream: &mut Stream) -> usize {
        while poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_write(cx, &[0; 64 << 10]).is_ready()))
            .await
        {}
        let Stream::Tcp(socket, _) = stream else { panic!("a Unix socket") };
        usize::try_from(SockRef::from(&*socket).tcp_notsent_lowat().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn of_a_client_that_lags_the_kernel_holds_what_each_may_have() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (_client, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let allowance = Allowance::default();
        let mut stream = Stream::Tcp(accepted.unwrap().0, None).bounded(allowance.clone());
        let alone = allowance.piece();
        assert_eq!(bound_when_full(&mut stream).await, alone);
        let mut shares: Vec<_> = (0..10_000).map(|_| allowance.share()).collect();
        let one_of_many = allowance.piece();
        assert!(one_of_many < alone);
        assert_eq!(bound_when_full(&mut stream).await, one_of_many);
        // Not for every one that comes or goes.
        while allowance.piece() <= one_of_many {
            shares.pop();
        }
        assert_eq!(bound_when_full(&mut stream).await, one_of_many);
        shares.clear();
        assert_eq!(bound_when_full(&mut stream).await, alone);
    }
}
