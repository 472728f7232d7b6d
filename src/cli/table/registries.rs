//! Registries: which are used, and publishing to them.

use super::{DRY_RUN, JSON, NETWORK};
use crate::cli::command::{Argument, Command, Flag, Kind, command, flag, optional, required};

const NAME: &[Argument] = &[required("NAME", Kind::Text, "The registry's name")];

const OTP: &[Flag] = &[flag("otp", "One-time password").value("CODE", Kind::Text)];

pub const ROWS: &[Command] = &[
    command("registry", "Show and change the registries that are used")
        .examples(&[("registry list", "List the registries and their order")])
        .members(MEMBERS),
    command("whoami", "Show who you are at a registry")
        .flags(&[NETWORK, JSON])
        .examples(&[("whoami", "Show the user of the default registry")]),
    command("publish", "Pack the package and put it into a registry or mirror")
        .takes(&[optional("DIR", Kind::Dir, "The package's folder (default: this one)")])
        .flags(&[
            &[
                flag("access", "Who may read it").value("WHO", Kind::Choice(&["public", "restricted"])),
                flag("tag", "The dist-tag to move to this version").value("NAME", Kind::Text),
            ],
            OTP,
            NETWORK,
            DRY_RUN,
            JSON,
        ])
        .examples(&[("publish --registry https://registry.example.com", "Publish to your own registry")]),
    command("unpublish", "Take a version out of a registry")
        .takes(&[required("PACKAGE", Kind::Package, "Name and version")])
        .flags(&[&[flag("force", "Do not ask").short('f')], OTP, NETWORK, JSON])
        .examples(&[("unpublish my-lib@1.0.0", "Take one version back")]),
    command("deprecate", "Warn those who install a version")
        .takes(&[
            required("PACKAGE", Kind::Package, "Name and range"),
            required("MESSAGE", Kind::Text, "What to say; empty takes the warning back"),
        ])
        .flags(&[OTP, NETWORK, JSON])
        .examples(&[("deprecate my-lib@1 superseded", "Warn those who install version 1")]),
    command("dist-tag", "Show and move the tags of a package")
        .examples(&[("dist-tag list my-lib", "List the tags of a package")])
        .members(&[
            command("list", "List the tags of a package")
                .aliases(&["ls"])
                .takes(&[optional("PACKAGE", Kind::Package, "Name (default: this one)")])
                .flags(&[NETWORK, JSON])
                .examples(&[("dist-tag list my-lib", "List the tags of a package")]),
            command("add", "Let a tag point to a version")
                .takes(&[
                    required("PACKAGE", Kind::Package, "Name and version"),
                    optional("TAG", Kind::Text, "The tag (default: latest)"),
                ])
                .flags(&[OTP, NETWORK])
                .examples(&[("dist-tag add my-lib@2.0.0 next", "Call 2.0.0 `next`")]),
            command("remove", "Take a tag away")
                .aliases(&["rm"])
                .takes(&[required("PACKAGE", Kind::Package, "Name"), required("TAG", Kind::Text, "The tag")])
                .flags(&[OTP, NETWORK])
                .examples(&[("dist-tag remove my-lib next", "Take the tag `next` away")]),
        ]),
];

const MEMBERS: &[Command] = &[
    command("list", "List the registries and their order")
        .aliases(&["ls"])
        .flags(&[JSON])
        .examples(&[("registry list", "List the registries")]),
    command("add", "Add a registry")
        .takes(&[required("NAME", Kind::Text, "A name for it"), required("URL", Kind::Url, "Its address")])
        .flags(&[&[
            flag("type", "What it speaks").value("TYPE", Kind::Choice(&["npm", "pkgx", "github", "custom"])),
            flag("priority", "Lower is asked earlier (default: 100)").value("N", Kind::Number),
        ]])
        .examples(&[("registry add company https://registry.example.com --type npm", "Add a registry")]),
    command("remove", "Remove a registry")
        .aliases(&["rm"])
        .takes(NAME)
        .examples(&[("registry remove company", "Remove a registry")]),
    command("enable", "Use a registry again")
        .takes(NAME)
        .examples(&[("registry enable company", "Use a registry again")]),
    command("disable", "Leave a registry out for now")
        .takes(NAME)
        .examples(&[("registry disable company", "Leave a registry out for now")]),
    command("default", "Show or set the default registry")
        .takes(&[optional("NAME", Kind::Text, "The registry's name")])
        .examples(&[("registry default company", "Ask this registry first")]),
    command("test", "Check that a registry answers")
        .takes(&[optional("NAME", Kind::Text, "The registry's name (default: all)")])
        .flags(&[JSON])
        .examples(&[("registry test company", "Check address and credentials")]),
    command("login", "Keep a credential for a registry")
        .takes(&[optional("NAME", Kind::Text, "The registry's name (default: the default one)")])
        .examples(&[("registry login company", "Ask for a token and keep it in the user's .npmrc")]),
    command("logout", "Forget the credential for a registry")
        .takes(&[optional("NAME", Kind::Text, "The registry's name (default: the default one)")])
        .examples(&[("registry logout company", "Forget the token")]),
    command("serve", "Run a registry server")
        .flags(&[&[
            flag("port", "Listen on this port (default: 3000)").value("PORT", Kind::Number),
            flag("bind", "Listen on this address (default: 127.0.0.1)").value("ADDRESS", Kind::Text),
            flag("base-url", "The address that clients use").value("URL", Kind::Url),
            flag("npm-fallback", "Answer from the npm registry what is not here"),
        ]])
        .examples(&[("registry serve --port 3000", "Run a registry on this machine")]),
];
