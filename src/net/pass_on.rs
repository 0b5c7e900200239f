//! Delegation of `AsyncRead` and `AsyncWrite` for a stream around another: each states what it changes.

/// Passes calls on to the stream in the field `$io`. Stands in the implementation of a trait, with any of these:
///
/// - `read`: all of `AsyncRead`;
/// - `write`: `poll_write`, `poll_write_vectored` and `is_write_vectored`. They belong together: with the trait's own
///   version of the last two, a head and its body would be written one by one;
/// - `flush`, `shutdown`: the methods of these names.
///
/// `pass_on!(io through seen: write)` hands each result to the method `seen` of the stream, which returns another.
macro_rules! pass_on {
    ($io:ident $(through $then:ident)?: $($call:ident),+) => {
        $crate::net::pass_on!(@each [$io $($then)?] $($call)+);
    };
    (@each $target:tt $($call:ident)+) => {
        $($crate::net::pass_on!(@$call $target);)+
    };
    (@read [$io:ident]) => {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.$io).poll_read(cx, buf)
        }
    };
    (@write [$io:ident $($then:ident)?]) => {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            let written = std::pin::Pin::new(&mut self.$io).poll_write(cx, buf);
            $(let written = self.$then(cx, written);)?
            written
        }

        fn poll_write_vectored(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            bufs: &[std::io::IoSlice<'_>],
        ) -> std::task::Poll<std::io::Result<usize>> {
            let written = std::pin::Pin::new(&mut self.$io).poll_write_vectored(cx, bufs);
            $(let written = self.$then(cx, written);)?
            written
        }

        fn is_write_vectored(&self) -> bool {
            self.$io.is_write_vectored()
        }
    };
    (@flush [$io:ident $($then:ident)?]) => {
        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let flushed = std::pin::Pin::new(&mut self.$io).poll_flush(cx);
            $(let flushed = self.$then(cx, flushed);)?
            flushed
        }
    };
    (@shutdown [$io:ident $($then:ident)?]) => {
        fn poll_shutdown(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let shut_down = std::pin::Pin::new(&mut self.$io).poll_shutdown(cx);
            $(let shut_down = self.$then(cx, shut_down);)?
            shut_down
        }
    };
}

pub(crate) use pass_on;

#[cfg(test)]
mod tests {
    use std::{
        io::{self, IoSlice},
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

    use crate::net::{Lingering, WriteDeadline};

    /// Takes two buffers at once, and says with how many it was called last.
    #[derive(Default)]
    struct Vectored {
        bufs: usize,
    }

    impl AsyncRead for Vectored {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Vectored {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.bufs = bufs.len();
            Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_head_and_its_body_stay_one_write() {
        let mut innermost = Vectored::default();
        let mut stream = Lingering::new(WriteDeadline::new(&mut innermost, Duration::from_secs(1)));
        assert!(stream.is_write_vectored());
        let bufs = [IoSlice::new(b"head"), IoSlice::new(b"body")];
        assert_eq!(stream.write_vectored(&bufs).await.unwrap(), 8);
        drop(stream);
        assert_eq!(innermost.bufs, 2);
    }
}
