//! The commands that are disturbed, each with what was done before it.

#[derive(Clone)]
pub enum Step {
    /// A command of the binary, in `work` (`mzp …`: in `game`); it must succeed.
    Run(&'static str),
    /// A file below the live directory.
    Write(&'static str, &'static str),
    /// A bit flips in every file below that folder of the live directory.
    Rot(&'static str),
}
use Step::{Rot, Run, Write};

pub struct Scene {
    pub name: &'static str,
    pub before: Vec<Step>,
    pub command: &'static str,
    /// Brings back what was there before: works after a kill as well.
    pub back: Option<&'static str>,
    /// With a loopback registry; without one nothing answers there.
    pub online: bool,
}

const MANIFEST: &str = r#"{"dependencies": {"left": "^1.0.0", "@scope/tool": "1", "big": "1"}}"#;
const TRUSTED: &str = r#"{"dependencies": {"left": "^1.0.0", "@scope/tool": "1"}, "trustedDependencies": ["left", "@scope/tool"]}"#;
const OLDER: &str = r#"{"dependencies": {"left": "1.0.0", "@scope/tool": "1"}}"#;
const PACKED: &str = r#"{"dependencies": {"big": "file:../tgz/big-1.0.0.tgz"}}"#;
const NEWER: &str = r#"{"dependencies": {"left": "^2.0.0", "other": "1"}}"#;
const INIT: &str = "mirror init ../mirror";
const ADD: &str = "mirror add --mirror ../mirror ../tgz/left-1.0.0.tgz ../tgz/left-1.1.0.tgz ../tgz/left-2.0.0.tgz \
../tgz/right-1.0.0.tgz ../tgz/right-2.0.0.tgz ../tgz/scope-tool-1.0.0.tgz ../tgz/other-1.0.0.tgz ../tgz/big-1.0.0.tgz";
const ADD_LATE: &str = "mirror add --mirror ../mirror ../tgz/late-1.0.0.tgz";
const STICK: &str = "mirror init ../stick";
const ON_STICK: &str =
    "mirror add --mirror ../stick ../tgz/left-1.0.0.tgz ../tgz/right-1.0.0.tgz ../tgz/big-1.0.0.tgz";
const STICK_LATE: &str = "mirror add --mirror ../stick ../tgz/other-1.0.0.tgz ../tgz/late-1.0.0.tgz";
const SYNC: &str = "sync ../stick ../mirror";
const ADD_OTHERWISE: &str = "mirror add --mirror ../stick ../tgz/big-1.0.0.tgz ../tgz/other-1.0.0.tgz ../tgz/scope-tool-1.0.0.tgz \
../tgz/right-2.0.0.tgz ../tgz/right-1.0.0.tgz ../tgz/left-2.0.0.tgz ../tgz/left-1.1.0.tgz ../tgz/late-1.0.0.tgz ../tgz/left-1.0.0.tgz";
const REPAIR: &str = "mirror repair ../mirror --from ../stick";
const BACK: &str = "sync ../mirror ../stick";
const REMOVE: &str = "mirror remove --mirror ../mirror other@1.0.0";
const REMOVE_BIG: &str = "mirror remove --mirror ../mirror big@1.0.0";
/// A key goes in once: the second time it is refused.
const ROTATE: &str = "mirror key rotate ../mirror --add friend.pem";
/// The public key of RFC 8032's first test.
const FRIEND: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
const TRUST: &str = "keyring add friend.pem --name Friend";
const UNPIN: &str = "mirror key unpin ../mirror";
const WANT: &str = "mirror want --add left@^7";
const CARRY: &str = "mirror want --write ../mirror";
const GC: &str = "mirror gc ../mirror";
const HOISTED: &str = "install --offline --mirror ../mirror --linker hoisted";
const ISOLATED: &str = "install --offline --mirror ../mirror --linker isolated";
const STORE: &str = "install --offline --mirror ../mirror --linker store";
const PROJECT: Step = Write("work/package.json", MANIFEST);

fn offline(name: &'static str, before: Vec<Step>, command: &'static str) -> Scene {
    Scene { name, before, command, back: None, online: false }
}

pub fn mirror() -> Vec<Scene> {
    vec![
        offline("mirror init", vec![], INIT),
        offline("mirror add, the first", vec![Run(INIT)], ADD),
        offline("mirror add, one more", vec![Run(INIT), Run(ADD)], ADD_LATE),
        offline("mirror remove", vec![Run(INIT), Run(ADD)], REMOVE),
        offline("mirror key rotate", vec![Run(INIT), Run(ADD), Write("work/friend.pem", FRIEND)], ROTATE),
        offline("mirror key pin", vec![Run(INIT), Run(UNPIN)], "mirror key pin ../mirror"),
        offline("generate-key", vec![], "generate-key"),
        offline("keyring add", vec![Write("work/friend.pem", FRIEND)], TRUST),
        offline(
            "keyring remove",
            vec![Write("work/friend.pem", FRIEND), Run(TRUST)],
            "keyring remove Friend",
        ),
        offline("mirror key tell", vec![Run(INIT), Run(STICK)], "mirror key tell ../mirror"),
        offline("mirror gc", vec![Run(INIT), Run(ADD), Run(ADD_LATE), Run(REMOVE), Run(REMOVE_BIG)], GC),
        // Forward; record by record; what is chosen.
        offline("sync into an empty mirror", vec![Run(INIT), Run(STICK), Run(ON_STICK)], SYNC),
        offline("sync, both have something", vec![Run(INIT), Run(ADD_LATE), Run(STICK), Run(ON_STICK)], SYNC),
        offline(
            "sync, chosen",
            vec![Run(INIT), Run(STICK), Run(ON_STICK)],
            "sync ../stick ../mirror --max 100K",
        ),
        offline(
            "mirror gc --keep-roots",
            vec![PROJECT, Run(INIT), Run(ADD), Run(HOISTED)],
            "mirror gc ../mirror --keep-roots pantry.lock",
        ),
        offline(
            "mirror add --tool",
            vec![Run(INIT), Run(ADD_LATE)],
            "mirror add --mirror ../mirror --tool linux-x64 ../tgz/big-1.0.0.tgz",
        ),
        offline(
            "mirror export --file",
            vec![Run(INIT), Run(ADD)],
            "mirror export --mirror ../mirror --file ../out.tar",
        ),
        offline(
            "mirror import",
            vec![
                Run(INIT),
                Run(STICK),
                Run(ON_STICK),
                Run("mirror export --mirror ../stick --file ../stick.tar"),
            ],
            "mirror import --mirror ../mirror ../stick.tar",
        ),
        // By their hash; one by one from other packs.
        offline(
            "mirror repair",
            vec![
                Run(INIT),
                Run(ADD),
                Run(STICK),
                Run("sync ../mirror ../stick"),
                Rot("mirror/PAK"),
                Rot("mirror/BLB"),
                Write("mirror/MIRROR.TXT", "rot"),
            ],
            REPAIR,
        ),
        offline(
            "mirror repair, packed otherwise",
            vec![Run(INIT), Run(ADD), Run(STICK), Run(ADD_OTHERWISE), Rot("mirror/PAK")],
            REPAIR,
        ),
        // A list is changed, and carried.
        offline("mirror want --add", vec![Run(INIT), Run(WANT)], "mirror want --add other@^7"),
        offline(
            "mirror want --write",
            vec![Run(INIT), Run(WANT), Run(CARRY), Run("mirror want --add other@^7")],
            CARRY,
        ),
        offline(
            "mirror export",
            vec![Run(INIT), Run(ADD)],
            "mirror export --mirror ../mirror ../out --as tgz-dir",
        ),
    ]
}

/// More ways of a sync, and what comes after one.
pub fn syncs() -> Vec<Scene> {
    vec![
        // Each is changed, one after the other.
        offline(
            "sync --both",
            vec![Run(INIT), Run(ADD_LATE), Run(STICK), Run(ON_STICK)],
            "sync ../stick ../mirror --both",
        ),
        // Records that were joined are joined again, into a mirror that has removed something.
        offline(
            "sync, joined before",
            vec![
                Run(INIT),
                Run(ADD),
                Run(STICK),
                Run(ON_STICK),
                Run(SYNC),
                Run(ADD_LATE),
                Run(REMOVE),
                Run(BACK),
                Run(STICK_LATE),
            ],
            SYNC,
        ),
        offline("sync --split", vec![Run(INIT), Run(ADD)], "sync ../mirror ../parts --split 1K"),
        offline(
            "mirror gc after a sync",
            vec![Run(INIT), Run(ADD_LATE), Run(STICK), Run(ON_STICK), Run(SYNC), Run(REMOVE_BIG), Run(BACK)],
            GC,
        ),
        // The home mirror is the one that is made without a key.
        offline("mirror key create", vec![Run("mirror init")], "mirror key create"),
    ]
}

pub fn online() -> Vec<Scene> {
    let pull = "mirror pull --mirror ../mirror left@1 big";
    vec![
        Scene { online: true, ..offline("mirror pull", vec![Run(INIT), Run(ADD_LATE)], pull) },
        Scene { online: true, ..offline("install, online", vec![PROJECT], "install") },
    ]
}

pub fn first_installs() -> Vec<Scene> {
    let mirror = || vec![PROJECT, Run(INIT), Run(ADD)];
    let mut taken_over = mirror();
    // Another package manager's tree, with a cache that stays.
    for (path, text) in [
        ("work/node_modules/left/index.js", "npm's"),
        ("work/node_modules/.package-lock.json", "{}"),
        ("work/node_modules/.cache/kept", "kept"),
    ] {
        taken_over.push(Write(path, text));
    }
    vec![
        offline("install, hoisted", mirror(), HOISTED),
        offline("install, isolated", mirror(), ISOLATED),
        offline("install, store", mirror(), STORE),
        offline("install over another's tree", taken_over, HOISTED),
        // Files of their own, and scripts that are none.
        offline(
            "install, an archive beside it",
            vec![Write("work/package.json", PACKED)],
            "install --offline",
        ),
        offline("install, trusted", vec![Write("work/package.json", TRUSTED), Run(INIT), Run(ADD)], HOISTED),
    ]
}

pub fn changing_installs() -> Vec<Scene> {
    let installed = |with| vec![PROJECT, Run(INIT), Run(ADD), Run(with)];
    let after = |mut steps: Vec<Step>, manifest| {
        steps.push(Write("work/package.json", manifest));
        steps
    };
    let back = |back, scene| Scene { back: Some(back), ..scene };
    vec![
        offline("install, unchanged", installed(HOISTED), HOISTED),
        back(
            HOISTED,
            offline("install --force", installed(HOISTED), "install --offline --mirror ../mirror --force"),
        ),
        offline("upgrade", after(installed(HOISTED), NEWER), HOISTED),
        offline("downgrade", after(installed(HOISTED), OLDER), HOISTED),
        offline("upgrade, isolated", after(installed(ISOLATED), NEWER), ISOLATED),
        offline("upgrade, store", after(installed(STORE), NEWER), STORE),
        back(HOISTED, offline("hoisted to isolated", installed(HOISTED), ISOLATED)),
        back(ISOLATED, offline("isolated to store", installed(ISOLATED), STORE)),
        offline("trust", installed(HOISTED), "trust --offline --mirror ../mirror left"),
        back(STORE, offline("store to hoisted", installed(STORE), HOISTED)),
        back(HOISTED, offline("clean", installed(HOISTED), "clean")),
    ]
}

/// Commands that change the manifest, its lock and the tree together.
pub fn edits() -> Vec<Scene> {
    let installed = |manifest| vec![Write("work/package.json", manifest), Run(INIT), Run(ADD), Run(HOISTED)];
    let mut scenes = vec![
        offline("add", installed(OLDER), "add --offline --mirror ../mirror other left"),
        offline("remove", installed(MANIFEST), "remove --offline --mirror ../mirror left big"),
        offline("add, an archive", installed(OLDER), "add --offline --mirror ../mirror ../tgz/big-1.0.0.tgz"),
    ];
    // Two manifests and the lock, in a workspace.
    let members = r#"{"workspaces": ["a", "b"], "dependencies": {"left": "1.0.0"}}"#;
    let mut whole = installed(members);
    whole.insert(0, Write("work/a/package.json", r#"{"name": "a", "dependencies": {"left": "^2.0.0"}}"#));
    whole.insert(0, Write("work/b/package.json", r#"{"name": "b"}"#));
    let add = "add --offline --mirror ../mirror other --filter a --filter b";
    scenes.push(offline("add in members", whole.clone(), add));
    if crate::everything() {
        whole.push(Run("add --offline --mirror ../mirror other --filter *"));
        let remove = "remove --offline --mirror ../mirror other --filter *";
        scenes.push(offline("remove in members", whole, remove));
        scenes.push(offline(
            "update --latest",
            installed(OLDER),
            "update --offline --mirror ../mirror --latest",
        ));
        scenes.push(offline("add -g", vec![Run(INIT), Run(ADD)], "add -g --offline --mirror ../mirror big"));
    }
    scenes
}

/// Two projects, one mirror, one store.
pub fn crowd() -> Scene {
    let before = vec![PROJECT, Write("two/package.json", OLDER), Run(INIT), Run(ADD)];
    offline("a crowd", before, HOISTED)
}

pub fn caches() -> Vec<Scene> {
    vec![offline("cache:clear", vec![PROJECT, Run(INIT), Run(ADD), Run(STORE), Run(HOISTED)], "cache:clear")]
}

const GAME: &str = "[package]\nname = \"game\"\nversion = \"0.1.0\"\n\n[dependencies]\nzx-graphics = \"1.0\"\n\n\
[targets]\ndefault = \"spectrum\"\nsupported = [\"spectrum\"]\n";
const PINNED: &str = "[package]\nname = \"game\"\nversion = \"0.1.0\"\n\n[dependencies]\nzx-graphics = \"=1.0.0\"\n\n\
[targets]\ndefault = \"spectrum\"\nsupported = [\"spectrum\"]\n";
const LARGER: &str = "[package]\nname = \"game\"\nversion = \"0.1.0\"\n\n[dependencies]\nzx-graphics = \"1.1\"\n\
zx-sound = \"0.5\"\n\n[targets]\ndefault = \"spectrum\"\nsupported = [\"spectrum\"]\n";
const MAIN: &str = "import zx_graphics;\n\nfun main() -> void {\n}\n";
const FIXTURES: &str = concat!(
    "mirror add --mirror ../mirror ",
    env!("CARGO_MANIFEST_DIR"),
    "/z80-fixtures/packages/zx-core-1.0.0 ",
    env!("CARGO_MANIFEST_DIR"),
    "/z80-fixtures/packages/zx-core-1.1.0 ",
    env!("CARGO_MANIFEST_DIR"),
    "/z80-fixtures/packages/zx-graphics-1.0.0 ",
    env!("CARGO_MANIFEST_DIR"),
    "/z80-fixtures/packages/zx-graphics-1.1.0 ",
    env!("CARGO_MANIFEST_DIR"),
    "/z80-fixtures/packages/zx-sound-0.5.0",
);
const MZP: &str = "mzp install --offline --mirror ../mirror";
const LIBRARY: &str = "[package]\nname = \"zx-graphics\"\nversion = \"1.0.0\"\n";
const LIBRARY_NEWER: &str = "[package]\nname = \"zx-graphics\"\nversion = \"1.1.0\"\n";
const PUBLISH: &str = "mzp publish --to ../out";

pub fn minz() -> Vec<Scene> {
    let game =
        || vec![Run(INIT), Run(FIXTURES), Write("game/mzp.toml", GAME), Write("game/src/main.minz", MAIN)];
    let installed = || {
        let mut steps = game();
        steps.push(Run(MZP));
        steps
    };
    let mut larger = installed();
    larger.push(Write("game/mzp.toml", LARGER));
    let mut older = game();
    older.extend([Write("game/mzp.toml", PINNED), Run(MZP), Write("game/mzp.toml", GAME)]);
    let mut built = installed();
    built.push(Run("mzp build --emit bundle"));
    let mut compiled = installed();
    compiled.push(Run("mzp build"));
    let library = |manifest| {
        vec![Write("game/mzp.toml", manifest), Write("game/src/lib.minz", "pub fun f() -> void {\n}\n")]
    };
    let mut published = library(LIBRARY);
    published.push(Run(PUBLISH));
    let mut registry = library(LIBRARY);
    registry.extend([Run(PUBLISH), Write("game/mzp.toml", GAME), Write("game/src/main.minz", MAIN)]);
    published.push(Write("game/mzp.toml", LIBRARY_NEWER));
    let mut mirrored = vec![Run(INIT)];
    mirrored.extend(library(LIBRARY));
    let mut beside = game();
    beside.push(Write("game/libs/own/mzp.toml", "[package]\nname = \"own\"\nversion = \"1.0.0\"\n"));
    beside.push(Write("game/libs/own/src/lib.minz", "pub fun own() -> void {\n}\n"));
    vec![
        offline("mzp publish --to", library(LIBRARY), PUBLISH),
        offline("mzp publish --to, one more", published, PUBLISH),
        offline("mzp publish --mirror", mirrored, "mzp publish --mirror ../mirror"),
        offline("mzp add ./folder", beside, "mzp add ./libs/own --offline --mirror ../mirror"),
        // The registry is what the step before it has published.
        Scene { online: true, ..offline("mzp install, online", registry, "mzp install") },
        offline("mzp init", vec![], "mzp init"),
        offline("mzp install", game(), MZP),
        offline("mzp install NAME", game(), "mzp install zx-sound --offline --mirror ../mirror"),
        offline("mzp install, changed", larger, MZP),
        offline("mzp add", installed(), "mzp add zx-sound --dev --offline --mirror ../mirror"),
        offline("mzp update", older, "mzp update --offline --mirror ../mirror"),
        offline("mzp vendor", installed(), "mzp vendor --offline --mirror ../mirror"),
        offline("mzp remove", installed(), "mzp remove zx-graphics --offline"),
        offline("mzp clean", built, "mzp clean"),
        offline("mzp create", vec![], "mzp create my-lib"),
        offline("mzp build --emit bundle", installed(), "mzp build --emit bundle -o out.minz"),
        offline("mzp build --emit staged", installed(), "mzp build --emit staged -o staged"),
        offline("mzp build", installed(), "mzp build"),
        offline("mzp build, unchanged", compiled, "mzp build"),
    ]
}
