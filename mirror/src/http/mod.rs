//! The one HTTP client (on `ureq` with rustls).
//!
//! What it adds to the library, each for a reason that was measured or that an
//! attack taught (`facts/security.md` 2.5):
//!
//! * timeouts for everything (there are none by default), and a deadline for
//!   the whole body, so that a byte per second does not hang a run;
//! * bodies are streamed under a cap, also after decompression;
//! * redirects by hand: at most five, never from https to http, never to
//!   another scheme, and no credential ever crosses one;
//! * its own `NO_PROXY` matcher, and one proxy per scheme;
//! * TLS roots from files first (a company's gateway has its own authority),
//!   the built-in ones last;
//! * every error names its URL, without user name and password;
//! * a host that cannot be reached is asked once and then counts as down for
//!   the rest of the run;
//! * small buffers: a connection costs about 20 KB, not 256.
//!
//! It does not read the environment: [`ClientOptions`] brings everything.
//!
//! A target behind a proxy is always reached through `CONNECT`, plain http too
//! (that is all `ureq` offers).

mod addresses;
mod body;
mod client;
mod error;
mod p256;
mod provider;
mod proxy;
mod roots;
#[cfg(test)]
mod tests;
mod tls;
mod url;
mod x25519;

pub use body::Body;
pub use client::{Client, ClientOptions, Reach, Request, Response};
pub use error::HttpError;
pub use proxy::{NoProxy, ProxyOptions};
pub use roots::RootOptions;
pub use tls::TlsProblem;
pub use url::{Url, is_private_address};
