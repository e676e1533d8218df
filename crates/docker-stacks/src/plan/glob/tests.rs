use proptest::prelude::*;

use super::*;

fn beneath(pattern: &str, place: &str) -> Beneath {
    pattern.parse::<PathGlob>().unwrap().beneath(place.as_ref())
}

#[test]
fn what_is_left_out_of_a_mount_is_said_from_its_top() {
    let everything = [
        "/cache",
        "/cache/**",
        "/c*",
        "cache",
        "*",
        "/**",
        "**",
        "/{cache,tmp}",
    ];
    for pattern in everything {
        assert_eq!(beneath(pattern, "/cache"), Beneath::Everything, "{pattern}");
        assert_eq!(
            beneath(pattern, "/cache/deep"),
            Beneath::Everything,
            "{pattern}"
        );
    }
    for (pattern, place, expected) in [
        ("/var/lib/app/cache/**", "/var/lib/app", &["/cache/**"][..]),
        ("/var/lib/app/cache/**", "/var/lib", &["/app/cache/**"]),
        ("/var/lib/app/cache", "/srv", &[]),
        ("/var/*/app/*.log", "/var/lib", &["/app/*.log"]),
        ("*.log", "/var/lib", &["*.log"]),
        ("a/b", "/x/a", &["a/b", "/b"]),
        ("/x/**/b", "/x/a", &["b"]),
        ("/x/**/a/b", "/x/a", &["a/b", "/b"]),
        ("/y/**", "/x", &[]),
        ("/x/y", "/x/y2", &[]),
    ] {
        let Beneath::Matches(rests) = beneath(pattern, place) else {
            panic!("{pattern} on {place} leaves out everything");
        };
        let rests: Vec<&str> = rests.iter().map(PathGlob::as_str).collect();
        assert_eq!(rests, expected, "{pattern} on {place}");
    }
}

#[test]
fn patterns_move_with_what_they_are_in() {
    let moved = |pattern: &str, folder: &str| {
        let pattern: PathGlob = pattern.parse().unwrap();
        pattern.moved_into(folder.as_ref()).unwrap().to_string()
    };
    assert_eq!(moved("/cache", "app"), "/app/cache");
    assert_eq!(moved("*.log", "app/x"), "/app/x/**/*.log");
    let strange = PathGlob::exactly("/a[1]/b*".as_ref()).unwrap();
    assert!(strange.leaves_out("/a[1]/b*".as_ref()));
    assert!(!strange.leaves_out("/a1/bc".as_ref()));
}

#[test]
fn what_is_no_pattern_is_refused() {
    let refused: Vec<String> = [
        "", "/", "!a", "/a/../b", "[", "{a/b,c}", "a**", "a/[b", "x\\",
    ]
    .iter()
    .map(|bad| bad.parse::<PathGlob>().unwrap_err().to_string())
    .collect();
    assert_eq!(refused.len(), 9);
    assert!(
        refused
            .iter()
            .all(|e| e.contains("expected something like *.log"))
    );
    assert_eq!("//a///b/".parse::<PathGlob>().unwrap().as_str(), "/a/b");
}

/// The same question asked of `globset`, with the whole pattern and the whole path.
fn by_globset(pattern: &PathGlob, path: &str) -> bool {
    let text = match pattern.as_str().strip_prefix('/') {
        Some(anchored) => anchored.to_owned(),
        None => format!("**/{pattern}"),
    };
    let matcher = glob(&text).unwrap().compile_matcher();
    Path::new(path.trim_start_matches('/'))
        .ancestors()
        .filter(|part| !part.as_os_str().is_empty())
        .any(|part| matcher.is_match(part))
}

const PATTERN: &str =
    "/?(\\*\\*|[ab*?]|a[ab]|\\{a,b\\}|[ab]\\*)(/(\\*\\*|[ab*?]|[ab][ab]|\\[ab\\])){0,4}";

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_mount_loses_what_the_container_would(
        pattern in PATTERN,
        place in "(/[ab]{1,2}){1,3}",
        inner in "(/[ab]{1,2}){1,3}",
    ) {
        // `a**` and the like are no patterns.
        let Ok(pattern) = pattern.parse::<PathGlob>() else { return Ok(()); };
        let whole = by_globset(&pattern, &format!("{place}{inner}"));
        let by_mount = match pattern.beneath(place.as_ref()) {
            Beneath::Everything => true,
            Beneath::Matches(rests) => rests.iter().any(|rest| by_globset(rest, &inner)),
        };
        prop_assert_eq!(by_mount, whole, "{} on {}", pattern, place);
        prop_assert_eq!(pattern.leaves_out(place.as_ref()), by_globset(&pattern, &place));
    }

    #[test]
    fn moving_a_pattern_changes_nothing_but_its_place(
        pattern in PATTERN,
        folder in "[ab*]{1,2}(/[ab]{1,2}){0,2}",
        inner in "(/[ab]{1,2}){1,3}",
    ) {
        let Ok(pattern) = pattern.parse::<PathGlob>() else { return Ok(()); };
        let moved = pattern.moved_into(folder.as_ref()).unwrap();
        let path = format!("/{folder}{inner}");
        prop_assert_eq!(by_globset(&moved, &path), by_globset(&pattern, &inner));
    }

    #[test]
    fn stars_are_what_they_are_to_globset(pattern in "[ab]{0,2}(\\*[ab]{1,2}){0,3}\\*?[ab]?", name in "[ab]{1,8}") {
        prop_assume!(!pattern.is_empty());
        let part = Part::new(&pattern).unwrap();
        let by_globset = glob(&pattern).unwrap().compile_matcher().is_match(&name);
        prop_assert_eq!(part.matches(Path::new(&name)), by_globset);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,10}|[/*?{},!\\[\\]a-c\\\\.]{0,10}") {
        if let Ok(pattern) = text.parse::<PathGlob>() {
            prop_assert_eq!(pattern.as_str().parse::<PathGlob>().unwrap(), pattern.clone());
            let _ = pattern.beneath("/a/b".as_ref());
        }
    }
}
