//! Services that projects need: databases, servers.

use super::JSON;
use crate::cli::command::{Argument, Command, Kind, command, flag, optional, required};

const SERVICES: &[Argument] = &[required("SERVICE", Kind::Text, "Names of services").many()];

pub const ROWS: &[Command] = &[
    command("start", "Start services")
        .takes(SERVICES)
        .examples(&[("start postgres redis", "Start two services")]),
    command("stop", "Stop services").takes(SERVICES).examples(&[("stop postgres", "Stop a service")]),
    command("restart", "Stop services and start them again")
        .takes(SERVICES)
        .examples(&[("restart postgres", "Restart a service")]),
    command("status", "Show whether services run")
        .takes(&[optional("SERVICE", Kind::Text, "Only these services").many()])
        .flags(&[JSON])
        .examples(&[("status postgres", "Show the state of a service")]),
    command("enable", "Start services when the user logs in")
        .takes(SERVICES)
        .examples(&[("enable postgres", "Start a service at every login")]),
    command("disable", "Start services no longer by themselves")
        .takes(SERVICES)
        .examples(&[("disable postgres", "Start a service only when asked")]),
    command("logs", "Show what a service has written")
        .takes(&[required("SERVICE", Kind::Text, "Name of the service")])
        .flags(&[&[
            flag("follow", "Go on showing what comes").short('f'),
            flag("lines", "Show the last lines only").value("N", Kind::Number),
        ]])
        .examples(&[("logs postgres --follow", "Watch a service")]),
    command("services", "List the services that are known")
        .flags(&[JSON])
        .examples(&[("services", "List every service and its port")]),
];
