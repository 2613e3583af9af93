//! Settings: the reference in the operations guide lists every option of the services, with its default.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

/// The services, each with the command that runs it and its column in the reference.
const SERVICES: [(&str, &[&str], &str); 3] =
    [("command-service", &["serve"], "C"), ("projector", &["run"], "P"), ("query-service", &[], "Q")];

/// The environment variables of options and their defaults, if they have one.
type Settings = BTreeMap<String, Option<String>>;

/// Reads `[env: NAME=]`, `[env: NAME]` and `[default: VALUE]` from the help text of a service.
fn of_help(program: &str, arguments: &[&str]) -> Settings {
    let programs = std::env::current_exe().unwrap();
    let program = programs.parent().and_then(Path::parent).unwrap().join(program);
    let output = Command::new(&program).args(arguments).arg("--help").env_clear().stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    let mut settings = Settings::new();
    let mut last = None;
    for line in help.lines().map(str::trim) {
        // A secret is shown without its value.
        if let Some(name) = line.strip_prefix("[env: ").and_then(|rest| rest.split(['=', ']']).next()) {
            settings.insert(name.to_owned(), None);
            last = Some(name.to_owned());
        } else if let (Some(default), Some(name)) = (line.strip_prefix("[default: "), &last) {
            settings.insert(name.clone(), default.strip_suffix(']').map(str::to_owned));
        } else if line.starts_with("--") {
            last = None;
        }
    }
    settings
}

/// Reads the rows of one column from the tables `| setting | default | C | P | Q | meaning |` of the guide.
fn of_guide(guide: &str, column: &str) -> Settings {
    let rows = guide.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [setting, default, c, p, q, _] = cells[..] else { return None };
        let name = setting.split('`').nth(1)?;
        [c, p, q].contains(&column).then(|| (name.to_owned(), Some(default.replace('`', ""))))
    });
    rows.collect()
}

#[test]
fn the_guide_lists_every_setting_of_the_services() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for (program, arguments, column) in SERVICES {
        let (help, listed) = (of_help(program, arguments), of_guide(&guide, column));
        assert!(help.len() > 10, "{program}: {help:?}");
        let names = |settings: &Settings| settings.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&listed), names(&help), "the settings of {program}");
        for (name, default) in help.iter().filter_map(|(name, default)| Some((name, default.as_ref()?))) {
            assert_eq!(listed[name].as_ref(), Some(default), "the default of {name} in {program}");
        }
    }
}
