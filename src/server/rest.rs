//! An HTTP/1 connection between two requests, when the next one is not coming at once.
//!
//! Separate because nearly all connections of browsers rest nearly all the time: what is kept of one is its socket, and
//! the buffers of the HTTP library and the room for a request are made anew for the next request. Who keeps asking
//! never gets here, nor does a connection on which a request had a body (T-G1).

use std::pin::pin;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::connection::{FAREWELL, Watched};
use super::watch::Watch;
use crate::proxy::drive;

/// Waits until something comes in. `None`: the connection has ended, by its client, its deadline or the shutdown.
pub(super) async fn wait<IO>(
    mut io: Watched<IO>,
    watch: &Watch,
    limits: &Limits,
    shutdown: &CancellationToken,
) -> Option<Watched<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = [0];
    let read = {
        let mut reading = pin!(io.read(&mut first));
        tokio::select! {
            biased;
            read = drive(reading.as_mut(), &watch.deadline, limits.keep_alive) => read,
            () = shutdown.cancelled() => {
                // A request may be on its way.
                watch.deadline.set(limits.last_call);
                drive(reading, &watch.deadline, limits.last_call).await
            }
        }
    };
    if let Some(Ok(1)) = read {
        io.put_back(&first);
        return Some(io);
    }
    // With TLS, whoever waits at the other end learns that this is the end.
    drop(timeout(FAREWELL, io.shutdown()).await);
    None
}
