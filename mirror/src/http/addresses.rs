//! Names to addresses, once per run.
//!
//! The library asks the system again for every request, and starts a thread to
//! be able to stop waiting: 280 documents cost 280 threads (measured). Beyond
//! that, a name whose addresses were judged ([`super::Reach`]) must lead to
//! those very addresses afterwards.

use super::url::Url;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// As many as the library keeps.
const MOST: usize = 16;

/// Answers for `host:port`.
type Ask = fn(&str) -> io::Result<Vec<SocketAddr>>;

fn ask_the_system(name: &str) -> io::Result<Vec<SocketAddr>> {
    name.to_socket_addrs().map(|all| all.take(MOST).collect())
}

/// What was found so far; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

impl Addresses {
    /// The addresses of `url`'s host; an error of kind `TimedOut` after `timeout`.
    pub(super) fn of(&self, url: &Url, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
        match url.address() {
            Some(address) => Ok(vec![SocketAddr::new(address, url.port())]),
            None => self.look_up(url.host(), url.port(), timeout, ask_the_system),
        }
    }

    fn look_up(&self, host: &str, port: u16, timeout: Duration, ask: Ask) -> io::Result<Vec<SocketAddr>> {
        let name = format!("{host}:{port}");
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&name) {
            return Ok(found.clone());
        }
        // The system's call cannot be interrupted: it is left behind in a thread.
        let (tell, answer) = sync_channel(1);
        let asked = name.clone();
        let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            let _ = tell.send(ask(&asked));
        });
        let found = match thread {
            Ok(_) => answer.recv_timeout(timeout).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            Err(_) => ask(&name),
        }?;
        if found.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        known().insert(name, found.clone());
        Ok(found)
    }
}

impl Resolver for Addresses {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or("");
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let found = match literal {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let limit =
                    if timeout.after.is_not_happening() { Duration::from_secs(60) } else { *timeout.after };
                self.look_up(host, port, limit, ask_the_system).map_err(|e| match e.kind() {
                    io::ErrorKind::TimedOut => Error::Timeout(Timeout::Resolve),
                    _ => Error::HostNotFound,
                })?
            }
        };
        let mut out = self.empty();
        found.into_iter().for_each(|a| out.push(a));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_stays() {
        let addresses = Addresses::default();
        let url = |t: &str| Url::parse(t).unwrap();
        let found = addresses.of(&url("http://localhost:81/"), Duration::from_secs(120)).unwrap();
        assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 81));
        assert_eq!(addresses.of(&url("http://localhost:81/"), Duration::ZERO).unwrap(), found);
        assert_eq!(
            addresses.of(&url("http://[::1]/"), Duration::ZERO).unwrap(),
            ["[::1]:80".parse().unwrap()]
        );
        let silent = |_: &str| loop {
            std::thread::park();
        };
        let never = addresses.look_up("nowhere.invalid", 80, Duration::from_millis(1), silent);
        assert_eq!(never.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let wrong = |_: &str| Err(io::ErrorKind::PermissionDenied.into());
        let told = addresses.look_up("nowhere.invalid", 80, Duration::from_secs(120), wrong);
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let empty = addresses.look_up("nowhere.invalid", 80, Duration::from_secs(120), |_| Ok(Vec::new()));
        assert_eq!(empty.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
