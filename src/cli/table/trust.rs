//! Signing packages and checking signatures.

use super::JSON;
use crate::cli::command::{Command, Kind, command, flag, optional, required};

pub const ROWS: &[Command] = &[
    command("generate-key", "Make an Ed25519 key pair")
        .flags(&[
            &[flag("output", "Write the private key to this file (default: $PANTRY_HOME/signing.key)")
                .short('o')
                .value("FILE", Kind::File)],
            JSON,
        ])
        .about(
            "The private key goes into a file that only you can read, and nowhere else; the public key is printed, \
             for the keyrings of others.",
        )
        .examples(&[("generate-key -o my.key", "Make a key pair and keep the private half in a file")]),
    command("sign", "Sign a package archive")
        .takes(&[
            required("FILE", Kind::File, "The archive"),
            optional("KEY", Kind::Text, "The private key in hexadecimal (better: --key-file, since others can see a command line)"),
        ])
        .flags(&[
            &[
                flag("key-file", "The file that holds the private key; -: standard input (default: $PANTRY_HOME/signing.key)")
                    .value("FILE", Kind::File),
                flag("output", "Write the signature to this file (default: FILE.sig)").short('o').value("FILE", Kind::File),
            ],
            JSON,
        ])
        .examples(&[("sign package.tar.gz --key-file my.key", "Write package.tar.gz.sig")]),
    command("verify", "Check the signature of a package archive")
        .takes(&[required("FILE", Kind::File, "The archive")])
        .flags(&[
            &[
                flag("keyring", "The keys to trust").short('k').value("FILE", Kind::File),
                flag("signature", "The signature (default: FILE.sig)").value("FILE", Kind::File),
            ],
            JSON,
        ])
        .examples(&[("verify package.tar.gz --keyring ~/.pantry/keyring.json", "Check a package")]),
    command("keyring", "Show and change the keys that are trusted")
        .examples(&[("keyring list", "List the trusted keys")])
        .members(&[
            command("list", "List the trusted keys")
                .aliases(&["ls"])
                .flags(&[JSON])
                .examples(&[("keyring list", "List the trusted keys")]),
            command("add", "Trust a public key")
                .takes(&[required("KEY", Kind::Text, "The public key, or a file that holds it")])
                .flags(&[
                    &[flag("name", "Whose key it is").value("TEXT", Kind::Text)],
                    &[flag("scope", "Only for packages of this scope").value("SCOPE", Kind::Text)],
                ])
                .examples(&[("keyring add friend.pub --name Friend", "Trust a friend's key")]),
            command("remove", "Trust a key no longer")
                .aliases(&["rm"])
                .takes(&[required("KEY", Kind::Text, "The key's id or name")])
                .examples(&[("keyring remove Friend", "Trust a key no longer")]),
        ]),
];
