use super::*;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
damaged line
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
ci:x:1000:1000:CI,,,:/home/ci:/bin/sh
";

#[test]
fn accounts_are_found_by_number() {
    let root = Account {
        name: "root".into(),
        shell: "/bin/bash".into(),
    };
    assert_eq!(Account::find(0, PASSWD), Some(root));
    let ci = Account {
        name: "ci".into(),
        shell: "/bin/sh".into(),
    };
    assert_eq!(Account::find(1000, PASSWD), Some(ci));
    assert_eq!(Account::find(1, PASSWD), None);
}

#[test]
fn the_button_remembers_what_was_asked() {
    let button = PowerButton::new(Box::new(|| {}));
    button.press("poweroff");
    button.press("");
    assert_eq!(*button.requests.lock().unwrap(), ["poweroff", ""]);
}
