use proptest::prelude::*;

use super::*;

/// A key of GitHub's documentation, with the fingerprint published beside it.
const GITHUB_KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const GITHUB_FINGERPRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

#[test]
fn a_published_key_has_its_published_fingerprint() {
    let key = decode_public_key(GITHUB_KEY).unwrap();
    assert_eq!(
        Fingerprint::of_public_key(&key).to_string(),
        GITHUB_FINGERPRINT
    );
}

#[test]
fn padding_and_prefix_are_optional() {
    let expected: Fingerprint = GITHUB_FINGERPRINT.parse().unwrap();
    let bare = GITHUB_FINGERPRINT.strip_prefix(PREFIX).unwrap();
    for text in [
        format!("{GITHUB_FINGERPRINT}="),
        bare.into(),
        format!("{bare}="),
    ] {
        assert_eq!(text.parse::<Fingerprint>().unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_no_sha256_fingerprint_is_refused() {
    let texts = [
        "",
        "SHA256:",
        "SHA256:AAAA",
        "SHA1:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "f83898df0bef57a4ee24985ba598ac17fccb0c0d333cc4af1dd92be14bc23aa5",
        "256 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU nas (ED25519)",
        "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU==",
        "SHA256:*DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
    ];
    for text in texts {
        let error = text.parse::<Fingerprint>().unwrap_err();
        assert!(error.to_string().contains("ssh-keygen -l"), "{error}");
    }
}

#[test]
fn serde_uses_the_text() {
    let json = format!("{GITHUB_FINGERPRINT:?}");
    let fingerprint: Fingerprint = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&fingerprint).unwrap(), json);
    assert!(serde_json::from_str::<Fingerprint>("\"SHA256:no\"").is_err());
}

proptest! {
    #[test]
    fn every_digest_survives_its_text(digest: [u8; 32]) {
        let fingerprint = Fingerprint::from_digest(digest);
        let text = fingerprint.to_string();
        prop_assert_eq!(text.len(), 50);
        prop_assert_eq!(text.parse::<Fingerprint>().unwrap(), fingerprint);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        let _ = text.parse::<Fingerprint>();
    }
}
