//! A small HTTP/1.1 server: a number of threads that each serve one connection at a time. Nothing of what a
//! client sends can make it take more memory than that, or hold a thread for longer than [`PATIENCE`] without
//! taking what it asked for.
//!
//! What is served is a [`Site`]'s affair; [`mirror`] is the first of them.

mod answer;
pub mod mirror;
mod request;

pub use answer::Answer;
pub use request::{Method, Request};

use request::Read;
use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// How long a client may keep a thread waiting for its next request, or for room to write to.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that are served at a time. Further ones wait.
const THREADS: usize = 32;
const STACK: usize = 256 << 10;
/// Requests of one connection.
const REQUESTS: usize = 10_000;

/// Answers requests, from any number of threads.
pub trait Site: Sync {
    fn answer(&self, request: &Request) -> Answer;
}

pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// # Errors
    /// The address is taken, or not this machine's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address)? })
    }

    /// Where it listens: the port that was free, where none was asked for.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// No thread can be started, or no connection be taken any more.
    pub fn run(&self, site: &dyn Site) -> io::Result<()> {
        std::thread::scope(|scope| {
            for _ in 1..THREADS {
                let more = std::thread::Builder::new().stack_size(STACK);
                // As many as there are do it.
                if more.spawn_scoped(scope, || self.serve(site)).is_err() {
                    break;
                }
            }
            self.serve(site)
        })
    }

    fn serve(&self, site: &dyn Site) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                // A client that goes away takes nothing along.
                Ok((stream, _)) => _ = connection(&stream, site),
                Err(e) if is_passing(&e) => std::thread::sleep(Duration::from_millis(50)),
                Err(e) => return Err(e),
            }
        }
    }
}

/// The connection's or the moment's fault, not the listener's.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    // EMFILE, ENFILE: until others are closed.
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::Interrupted | K::WouldBlock)
        || matches!(error.raw_os_error(), Some(23 | 24))
}

fn connection(stream: &TcpStream, site: &dyn Site) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(request::LIMIT, stream);
    for _ in 0..REQUESTS {
        let (request, answer) = match request::read(&mut reader)? {
            Read::Closed => return Ok(()),
            Read::Refused(status) => (None, Answer::status(status)),
            Read::Request(request) => {
                let answer = match request.method {
                    Method::Other => Answer::status(405),
                    Method::Get | Method::Head => site.answer(&request),
                };
                (Some(request), answer)
            }
        };
        let keep = request.as_ref().is_some_and(|r| r.keep_alive);
        answer.send(stream, request.as_ref(), keep)?;
        if !keep {
            break;
        }
    }
    // What it still sends is not waited for, and does not cut off what was sent to it.
    stream.shutdown(std::net::Shutdown::Write)
}

#[cfg(test)]
mod tests;
