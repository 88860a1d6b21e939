// Inside Airflow's UI the page is a frame that may neither leave for another page nor download: the UI does it for it.

const outer = (() => {
  try {
    return window.parent !== window && window.parent.document ? window.parent.document : null;
  } catch {
    return null; // another site's page; the browser does not even show it
  }
})();

/** Let the UI follow links that lead out of the frame. */
export function leaveThroughOuter() {
  if (!outer) return;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const href = link?.href?.baseVal ?? link?.getAttribute("href");
    if (!href || href.startsWith("#")) return;
    event.preventDefault();
    follow(new URL(href, document.baseURI).href, link.getAttribute("download"), event.metaKey || event.ctrlKey);
  });
}

function follow(href, download, aside) {
  const link = outer.createElement("a");
  link.href = href;
  if (download !== null) link.download = download;
  else if (aside) link.target = "_blank";
  outer.body.append(link);
  link.click();
  link.remove();
}

/** Be as light or dark as the UI around, and stay so. Alone, the page follows the system. */
export function followTheme() {
  if (!outer) return;
  const root = outer.documentElement;
  const adopt = () => {
    const dark = root.classList.contains("dark") || root.dataset.theme === "dark";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  };
  adopt();
  new MutationObserver(adopt).observe(root, { attributes: true, attributeFilter: ["class", "data-theme"] });
}
