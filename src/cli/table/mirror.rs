//! Mirrors: the registry that is a directory.

use super::{DRY_RUN, JSON, NETWORK};
use crate::cli::command::{Argument, Command, Flag, Kind, command, flag, optional, required};

const WHICH: &[Argument] = &[optional("DIR", Kind::Dir, "The mirror's folder (default: the home mirror)")];

const SYNC_WITH: &[Argument] = &[
    optional("FROM", Kind::Dir, "The mirror to take from, or its address (default: those that are mounted)"),
    optional("TO", Kind::Dir, "The mirror that takes (default: the home mirror)"),
];

const SYNC_ABOUT: &str = "Copies what FROM has and TO lacks; with --both also the other way. The order and number of syncs \
                          between any mirrors do not matter. An interrupted one goes on where it was. A version with two \
                          different hashes is taken from neither and reported each time.";

const SYNC: &[Flag] = &[
    flag("both", "Also bring FROM what it lacks"),
    flag("for", "Take only archives for these platforms, such as linux-x64,win32-x64")
        .value("LIST", Kind::List)
        .repeats(),
    flag("roots", "Take only what these lockfiles hold").value("LIST", Kind::List).repeats(),
    flag("max", "Take archives of no more bytes than this, such as 3.9G").value("SIZE", Kind::Text),
    flag("split", "Make mirrors 01, 02, … in TO, each with archives of no more bytes than this")
        .value("SIZE", Kind::Text)
        .conflicts(&["both", "max", "dry-run"]),
    flag("wants", "Also carry want-lists, and where there is a network fetch into FROM what they ask for"),
    flag("accept-rollback", "Take a mirror that is older than what this machine has seen of it"),
];

/// What `pull` takes along for platforms other than this one.
const PLATFORM: &[Flag] = &[flag("platform", "Platforms to take along, such as linux-x64,darwin-arm64")
    .value("LIST", Kind::List)
    .repeats()];

pub const ROWS: &[Command] = &[
    command("mirror", "Make, fill, carry and check mirrors")
        .about(
            "A mirror is a registry that is a directory: in the home folder, on a stick, on a network \
             share, on a CD. These commands work on the home mirror unless --mirror DIR (or the folder, \
             where it is an argument) says otherwise.",
        )
        .examples(&[("mirror status", "Show what the home mirror is and holds")])
        .members(MEMBERS),
    command("sync", "Bring mirrors up to date with each other (short for `mirror sync`)")
        .about(SYNC_ABOUT)
        .takes(SYNC_WITH)
        .flags(&[SYNC, DRY_RUN, JSON])
        .examples(&[("sync /media/stick/PANTRY", "Take what a stick has and this machine lacks")]),
];

const MEMBERS: &[Command] = &[
    command("init", "Make an empty mirror")
        .takes(WHICH)
        .flags(&[
            &[flag("label", "A name for people, shown when something is missing").value("TEXT", Kind::Text)],
            JSON,
        ])
        .examples(&[("mirror init /media/stick/PANTRY --label BLUE", "Make a mirror on a stick")]),
    command("status", "Show what a mirror is and holds")
        .takes(WHICH)
        .flags(&[JSON])
        .examples(&[("mirror status", "Show the home mirror"), ("mirror status --json", "For a program")]),
    command("list", "List the packages of a mirror")
        .aliases(&["ls"])
        .takes(WHICH)
        .flags(&[
            &[
                flag("name", "Only names that begin like this").value("PREFIX", Kind::Text),
                flag("versions", "List every version, not only how many"),
            ],
            JSON,
        ])
        .examples(&[("mirror list /media/stick/PANTRY", "List what a stick holds")]),
    command("add", "Put package archives from files into a mirror")
        .about("Takes .tgz files as `npm pack` makes them, .tar.xz and .zip archives of the same, and MinZ packages. All are taken, or none.")
        .takes(&[required("FILE", Kind::File, "Archives, or folders that hold them").many()])
        .flags(&[
            &[flag("tool", "FILE is pantry itself for this platform, to be carried along").value("PLATFORM", Kind::Text)],
            DRY_RUN,
            JSON,
        ])
        .examples(&[
            ("mirror add downloads/*.tgz", "Put archives into the home mirror"),
            ("mirror add --mirror /media/stick/PANTRY --tool linux-x64 ./pantry", "Let a stick carry the tool itself"),
        ]),
    command("remove", "Take packages out of a mirror")
        .aliases(&["rm"])
        .about("The removal is this mirror's own: it is not passed on, and the next sync does not undo it.")
        .takes(&[required("PACKAGE", Kind::Package, "Name, with or without a version").many()])
        .flags(&[DRY_RUN, JSON])
        .examples(&[("mirror remove left-pad@1.3.0", "Take one version out")]),
    command("pull", "Fetch packages and all that they need from a registry")
        .about(
            "Fetches the whole closure of the packages, or of what a manifest or lockfile asks for, into \
             the mirror, so that it can be installed without a network. Archives are committed in batches, \
             each whole or not at all; what was committed before an interruption is not fetched again.",
        )
        .takes(&[optional("PACKAGE", Kind::Package, "Packages, each with or without a range").many()])
        .flags(&[
            &[flag("from", "Take what this manifest or lockfile asks for")
                .value("FILE", Kind::File)
                .repeats()],
            PLATFORM,
            &[
                flag("keep-all-versions-metadata", "Keep what the registry says about versions not taken"),
                flag("production", "Leave out development dependencies").short('p'),
            ],
            NETWORK,
            DRY_RUN,
            JSON,
        ])
        .examples(&[
            ("mirror pull react@18 vite", "Fetch two packages and what they need"),
            (
                "mirror pull --from package.json --platform linux-x64,win32-x64 --mirror /media/stick/PANTRY",
                "Fill a stick with what a project needs on two platforms",
            ),
        ]),
    command("sync", "Bring mirrors up to date with each other")
        .about(SYNC_ABOUT)
        .takes(SYNC_WITH)
        .flags(&[SYNC, DRY_RUN, JSON])
        .examples(&[("mirror sync /media/stick/PANTRY", "Take what a stick has and this machine lacks")]),
    command("verify", "Check every byte of a mirror")
        .takes(WHICH)
        .flags(&[JSON])
        .examples(&[("mirror verify /media/stick/PANTRY", "Check a stick after a journey")]),
    command("repair", "Restore damaged files from other mirrors")
        .about(
            "What `mirror verify` finds is taken from other mirrors: files by their hash, archives one by one where              others have packed them differently. Nothing that another mirror says is believed. What nobody has is              named (status 3), and the rest is mended.",
        )
        .takes(WHICH)
        .flags(&[
            &[
                flag("from", "A mirror to take from, or its address (default: all that are known here)")
                    .value("OTHER", Kind::Dir)
                    .repeats(),
                flag("forget-lost", "Take out of the index what nobody has, so that the mirror is whole again"),
            ],
            DRY_RUN,
            JSON,
        ])
        .examples(&[
            ("mirror repair", "Mend the home mirror"),
            ("mirror repair /media/stick/PANTRY --from ~/.pantry/mirror", "Mend a stick from the home mirror"),
        ]),
    command("gc", "Delete what no snapshot of a mirror needs")
        .about(
            "With --keep-roots, archives that none of these lockfiles holds go as well (npm's and MinZ's); that there are \
             such versions stays known, and a later sync or pull may bring them again.",
        )
        .takes(WHICH)
        .flags(&[
            &[flag("keep-roots", "Keep only the archives that these lockfiles hold").value("LIST", Kind::List).repeats()],
            DRY_RUN,
            JSON,
        ])
        .examples(&[
            ("mirror gc --dry-run", "Show what would be deleted"),
            ("mirror gc --keep-roots app/pantry.lock,game/mzp.lock", "Keep what two projects need"),
        ]),
    command("diff", "Show what two mirrors have that the other lacks")
        .about(
            "A line a version: `<` only the first mirror has it, `>` only the other, `!` it has two hashes. The status is 0 when both \
             have the same, 1 when not. With one mirror named, the home mirror is the first.",
        )
        .takes(&[
            required("DIR", Kind::Dir, "A mirror, or its address"),
            optional("OTHER", Kind::Dir, "Another, which is compared with it"),
        ])
        .flags(&[JSON])
        .examples(&[("mirror diff /media/stick/PANTRY", "Compare a stick with the home mirror")]),
    command("want", "Show, carry and answer lists of what was missing offline")
        .about(
            "What an offline run looks for and does not find goes on this machine's list. `pantry sync DIR --wants` \
             carries the lists; where there is a network it also fetches what they ask for, and notes what cannot \
             be had. Names in `private` of config.toml leave this machine in no list.",
        )
        .takes(WHICH)
        .flags(&[
            &[
                flag("write", "Leave this machine's list on that mirror, to be answered elsewhere"),
                flag("fetch", "Fetch what the lists on the mirror ask for into it, with all that it needs"),
                flag("add", "Put a package on this machine's list").value("PACKAGE", Kind::Package).repeats(),
                flag("remove", "Take a package off this machine's list").value("PACKAGE", Kind::Package).repeats(),
                flag("clear", "Forget this machine's list"),
            ],
            NETWORK,
            JSON,
        ])
        .examples(&[
            ("mirror want", "Show what was missing here"),
            ("mirror want --write /media/stick/PANTRY", "Take the wishes of this machine along"),
            ("mirror want --fetch /media/stick/PANTRY", "Where there is a network: fetch what a stick's lists ask for"),
        ]),
    command("export", "Write a mirror's archives as plain files")
        .about(
            "With --file, all of the mirror becomes one file (a tar, which unpacks into a mirror), or several that are each a \
             mirror of their own: for `mirror import`, for burning, for mailing.",
        )
        .takes(&[
            optional("DIR", Kind::Dir, "The folder to write archives to"),
            optional("PACKAGE", Kind::Package, "Only these packages").many(),
        ])
        .flags(&[
            &[flag("as", "The shape of the folder (in this version only tgz-dir)")
                .value("SHAPE", Kind::Choice(&["tgz-dir", "tree"])),
                flag("file", "Write all of the mirror into one file").value("OUT", Kind::File),
                flag("split", "Several files OUT.001, OUT.002, …, each with archives of no more bytes than this")
                    .value("SIZE", Kind::Text)],
            DRY_RUN,
            JSON,
        ])
        .examples(&[
            ("mirror export --as tgz-dir archives", "Write every archive as NAME-VERSION.tgz"),
            ("mirror export --file disc.tar --split 700M", "All of the home mirror, for several discs"),
        ]),
    command("import", "Take everything from a file of `mirror export`, a mirror or a folder of archives")
        .about("Each file is verified before anything of it is taken: nothing comes from one that is cut off or changed (status 3).")
        .takes(&[required("DIR", Kind::Dir, "Files that `mirror export --file` wrote, mirrors, or folders of .tgz files").many()])
        .flags(&[DRY_RUN, JSON])
        .examples(&[
            ("mirror import offline-archives", "Take another tool's offline folder"),
            ("mirror import disc.tar.001 disc.tar.002", "Take what came in two parts"),
        ]),
    command("key", "Show, make, pin and rotate the keys of mirrors")
        .about(
            "The state of a mirror is signed with its key. A mirror that is named for the first time is pinned: \
             from then on it has to be signed by that key, or by one that followed, and may not be older than \
             what this machine has seen of it.",
        )
        .examples(&[("mirror key show /media/stick/PANTRY", "Show whose a stick is")])
        .members(KEY_MEMBERS),
    command("serve", "Offer a mirror to others over HTTP")
        .about(
            "Gives out the mirror's files by their names, and nothing else, until it is ended. Others take from it with \
             `pantry sync URL`. Nobody is asked who he is, and nothing is encrypted.",
        )
        .takes(WHICH)
        .flags(&[
            &[
                flag("port", "Listen on this port (default: one that is free)").value("PORT", Kind::Number),
                flag("bind", "Listen on this address, with or without a port (default: 127.0.0.1)").value("ADDRESS", Kind::Text),
            ],
            JSON,
        ])
        .examples(&[
            ("mirror serve --port 4873", "Offer the home mirror on this machine"),
            ("mirror serve /media/stick/PANTRY --bind 0.0.0.0:4873", "Offer a stick to the network"),
        ]),
];

const KEY_MEMBERS: &[Command] = &[
    command("show", "Show a mirror's keys, and whether they are pinned")
        .takes(WHICH)
        .flags(&[JSON])
        .examples(&[("mirror key show /media/stick/PANTRY", "Show whose a stick is")]),
    command("create", "Sign a mirror that is not signed, with this machine's key")
        .takes(WHICH)
        .flags(&[JSON])
        .examples(&[("mirror key create /media/stick/PANTRY", "Sign an older stick")]),
    command("pin", "Trust the keys that a mirror has now, whatever was known of it")
        .takes(WHICH)
        .flags(&[
            &[flag("accept-rollback", "Take a mirror that is older than what this machine has seen of it")],
            JSON,
        ])
        .examples(&[("mirror key pin /media/stick/PANTRY", "Trust a stick")]),
    command("rotate", "Change a mirror's keys")
        .about(
            "Without options this machine's key is replaced by a new one. Keys change by the signatures of as many of \
             those before, and of those afterwards, as their thresholds say; what waits for more is signed by \
             the same command on another machine.",
        )
        .takes(WHICH)
        .flags(&[
            &[
                flag("add", "A public key that is to sign too: base64, or a PEM file").value("KEY", Kind::Text).repeats(),
                flag("remove", "The id of a key that is to sign no longer").value("ID", Kind::Text).repeats(),
                flag("threshold", "So many of the keys change them").value("N", Kind::Number),
            ],
            JSON,
        ])
        .examples(&[("mirror key rotate /media/stick/PANTRY", "A new key in the place of this machine's")]),
    command("tell", "Leave word on a mirror of how far this machine has seen others")
        .about(
            "Other machines that know those mirrors take it for seen, and refuse an older copy. Ids, numbers, hashes \
             and signatures are left, no names.",
        )
        .takes(WHICH)
        .flags(&[JSON])
        .examples(&[("mirror key tell /media/stick/PANTRY", "Let a stick carry what was seen of others")]),
    command("unpin", "Forget a mirror")
        .takes(&[optional(
            "MIRROR",
            Kind::Dir,
            "The mirror's folder, id or label (default: the home mirror)",
        )])
        .examples(&[("mirror key unpin BLUE", "Forget a stick that was lost")]),
];
