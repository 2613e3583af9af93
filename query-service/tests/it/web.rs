//! The web page for users: its files and its headers.

use std::fs;

use super::world::World;

const VAPID_PUBLIC_KEY: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

/// A built page, and a secret beside it.
fn built() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("dist");
    fs::create_dir_all(page.join("assets")).unwrap();
    fs::write(page.join("index.html"), "<!doctype html><title>Boxroom</title>").unwrap();
    fs::write(page.join("assets/index-1a2b3c.js"), "export {};".repeat(200)).unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    folder
}

#[tokio::test]
async fn a_page_is_served_with_a_strict_policy() {
    let folder = built();
    let page = folder.path().join("dist");
    let command = "https://commands.chat.example/";
    let world = World::with(&["--page", page.to_str().unwrap(), "--page-command-url", command]).await;
    let index = world.get_with("/", &[]).await;
    assert_eq!((index.status().as_u16(), index.url().path()), (200, "/app/"));
    let header = |response: &reqwest::Response, name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let policy = header(&index, "content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self' https://commands.chat.example",
        "require-trusted-types-for 'script'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|found| found == part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(header(&index, "x-content-type-options"), "nosniff");
    assert_eq!(header(&index, "cache-control"), "no-cache");
    assert_eq!(header(&index, "content-type"), "text/html");
    assert!(index.text().await.unwrap().contains("<title>Boxroom"));

    let asset = world.get_with("/app/assets/index-1a2b3c.js", &[("accept-encoding", "br")]).await;
    assert_eq!(header(&asset, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(
        (header(&asset, "content-type"), header(&asset, "content-encoding")),
        ("text/javascript".into(), "br".into())
    );
    let config: serde_json::Value = world.get_with("/app/config.json", &[]).await.json().await.unwrap();
    let expected = serde_json::json!({
        "command_url": "https://commands.chat.example/",
        "query_url": "/",
        "operator_url": null,
        "web_push_key": null,
    });
    assert_eq!(config, expected);
    for missing in ["/app/assets/index-0.js", "/app/..%2fsecret", "/app/%2e%2e/secret", "/app/nothing", "/secret"] {
        let response = world.get_with(missing, &[]).await;
        assert_eq!(response.status(), 404, "{missing}");
        assert_eq!(header(&response, "content-type"), "application/problem+json", "{missing}");
    }
    // The rest of the service is as before.
    assert_eq!(world.get("ana", "/me").await.0, 200);
}

#[tokio::test]
async fn a_page_for_operators_with_push_messages_finds_both() {
    let folder = built();
    let page = folder.path().join("dist");
    let (operator, key) = ("https://ops.chat.example:8443/gateway", VAPID_PUBLIC_KEY);
    let arguments = ["--page", page.to_str().unwrap(), "--page-operator-url", operator, "--page-web-push-key", key];
    let world = World::with(&arguments).await;
    let response = world.get_with("/app/config.json", &[]).await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("; connect-src 'self' https://ops.chat.example:8443; "), "{policy}");
    let config: serde_json::Value = response.json().await.unwrap();
    let expected = serde_json::json!({
        "command_url": "/",
        "query_url": "/",
        "operator_url": operator,
        "web_push_key": key,
    });
    assert_eq!(config, expected);
}

#[tokio::test]
async fn there_is_no_page_without_a_folder() {
    let world = World::start().await;
    for path in ["/", "/app/", "/app/config.json"] {
        assert_eq!(world.get_with(path, &[]).await.status(), 404, "{path}");
    }
}
