//! The pages of the documentation in a browser: they work under their content security policies, and foreign scripts do
//! not.

use harness::{Browser, Page, StackOptions};
use serde_json::json;
use system_tests::World;
use testing::wait::eventually;

/// A script that records the violations of a page's policy.
const WRITE_DOWN: &str = "
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
        violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));";

/// A script that tries the actions of a foreign script.
const INTRUDE: &str = "(async () => {
    const script = document.createElement('script');
    script.textContent = 'window.intruded = true';
    document.body.append(script);
    const fetched = await fetch('http://127.0.0.1:1/').then(() => 'fetched', () => 'refused');
    return [window.intruded === undefined, fetched];
})()";

async fn until(page: &Page<'_>, what: &str, expression: &str) {
    eventually(what, async || (page.evaluate(expression).await.ok()? == true).then_some(())).await;
}

async fn nothing_gets_in(page: &Page<'_>, url: &str) {
    assert_eq!(page.evaluate(INTRUDE).await.unwrap(), json!([true, "refused"]), "{url}");
    until(page, "both are forbidden", "violations.length === 2").await;
    let directives = page.evaluate("violations.map((violation) => violation.split(' ')[0])").await.unwrap();
    assert_eq!(directives, json!(["script-src-elem", "connect-src"]), "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_works_under_a_strict_content_security_policy() {
    let (world, browser) = tokio::join!(World::start(StackOptions::default()), Browser::start());
    let browser = browser.unwrap();
    let (command, query) = (world.stack.command_url(0), world.stack.query_url(0));
    for url in [&command, &query] {
        let page = browser.open_after(&format!("{url}/docs/"), WRITE_DOWN).await.unwrap();
        until(&page, "the operations are shown", "document.querySelectorAll('.opblock').length > 10").await;
        page.evaluate("document.querySelector('.opblock-summary-control').click()").await.unwrap();
        until(&page, "an operation is open", "!!document.querySelector('.opblock.is-open .try-out__btn')").await;
        page.evaluate("document.querySelector('.try-out__btn').click()").await.unwrap();
        until(&page, "it can be tried", "!!document.querySelector('.opblock.is-open .execute')").await;
        let colour = "getComputedStyle(document.querySelector('.opblock-summary-method')).backgroundColor";
        assert_ne!(page.evaluate(colour).await.unwrap(), "rgba(0, 0, 0, 0)", "the style is there");
        assert_eq!(page.evaluate("violations").await.unwrap(), json!([]), "{url}/docs/");
        nothing_gets_in(&page, url).await;
    }
    for url in [format!("{command}/docs/problems"), format!("{query}/docs/problems"), format!("{query}/docs/live")] {
        let page = browser.open_after(&url, WRITE_DOWN).await.unwrap();
        until(&page, "the page is shown", "document.querySelector('h1') !== null").await;
        let width = page.evaluate("getComputedStyle(document.body).maxWidth").await.unwrap();
        assert!(["800px", "960px"].contains(&width.as_str().unwrap()), "the style is there: {width}");
        assert_eq!(page.evaluate("violations").await.unwrap(), json!([]), "{url}");
        nothing_gets_in(&page, &url).await;
    }
}
