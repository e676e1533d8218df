//! The benchmark of downtimes with next to no data: it runs, and measures what it says.

use std::process::Command;

use end_to_end::binary_path;

#[test]
fn the_benchmark_of_downtimes_measures_every_contender() {
    let output = Command::new(binary_path("downtime"))
        .args(["--stacks", "1", "--files", "40", "--changed", "4"])
        .args(["--big", "1", "--pages", "4", "--only", "ours,restic"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let table = String::from_utf8(output.stdout).unwrap();
    println!("{table}");

    let rows = table.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let name = cells.next()?.to_owned();
        let median_down: f64 = cells.next()?.parse().ok()?;
        Some((name, median_down))
    });
    let rows: Vec<_> = rows.collect();
    let names: Vec<_> = rows.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "bare stop and start",
        "docker-backup",
        "restic, per stack",
        "restic, all stopped",
    ];
    assert_eq!(names, expected, "{table}");
    // Whatever the machine does meanwhile: a stop and a start take a moment, and no hour.
    for (name, down) in &rows {
        assert!((0.01..600.0).contains(down), "{name}: {down}");
    }
    assert_eq!(table.matches("\n- ").count(), 5, "a verdict each: {table}");
}
