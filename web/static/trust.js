// The one policy of Trusted Types: what the server rendered may be swapped in; nothing is ever evaluated.
const refuse = () => {
  throw new Error("Text is never evaluated here.");
};
const policy = window.trustedTypes?.createPolicy("htmx", { createHTML: (s) => s, createScript: (s) => s });
window.htmx.registerExtension("z-trust", {
  init(api) {
    api.initSecurity(policy, refuse, refuse);
  },
});
