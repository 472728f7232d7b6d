//! `pantry mirror serve [DIR]`: the mirror's files over HTTP, to be read only.

use super::{folder, open, shown};
use crate::cli::Invocation;
use crate::error::{Error, Result, Status};
use crate::serve::Server;
use crate::settings::Settings;
use crate::ui::Ui;
use mirror::name::escape;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

pub fn run(invocation: &Invocation, settings: &Settings, ui: &mut Ui) -> Result<Status> {
    let dir = folder(invocation, settings, Some(0))?;
    let mirror = open(&dir, settings, ui)?;
    let wanted = address(invocation)?;
    let place = wanted.to_string();
    let listen = Error::io("listen at", Path::new(&place));
    let server = Server::bind(wanted).map_err(listen)?;
    let address = server.address().map_err(Error::io("listen at", Path::new(&place)))?;
    if ui.is_json() {
        ui.json(|o| {
            o.text("mirror", &dir.to_string_lossy());
            o.text("url", &format!("http://{address}/"));
        })?;
    } else {
        ui.line(&format!("http://{address}/"))?;
        ui.note(&format!("{} can be read there, until Ctrl-C; `pantry sync URL` takes from it", shown(&dir)));
    }
    if !address.ip().is_loopback() {
        ui.warn("everybody who reaches this address can read the mirror; nothing is encrypted");
    }
    server.run(&mirror).map_err(Error::io("listen at", Path::new(&place)))?;
    Ok(Status::Done)
}

/// `--bind ADDRESS[:PORT]`, `--port PORT`; nothing: this machine alone, at whichever port is free.
fn address(invocation: &Invocation) -> Result<SocketAddr> {
    let text = invocation.text("bind")?.unwrap_or_default();
    let named = match (text, text.parse::<SocketAddr>(), text.parse::<IpAddr>()) {
        ("", ..) => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)),
        (_, Ok(address), _) => Some(address),
        (_, _, Ok(ip)) => Some(SocketAddr::new(ip, 0)),
        _ => None,
    };
    let port = invocation.number("port").map(u16::try_from);
    match (named, port) {
        (Some(address), None) => Ok(address),
        (Some(address), Some(Ok(port))) => Ok(SocketAddr::new(address.ip(), port)),
        _ => Err(Box::new(Error::Usage {
            message: format!("`{}` is no address to listen at", escape(text)),
            hint: Some("as in --bind 127.0.0.1:8080, --bind 0.0.0.0 --port 8080".into()),
        })),
    }
}
