// The one policy of Trusted Types: what the shop's server rendered may be swapped in; nothing is ever evaluated.
const never = () => {
  throw new Error("Text is never evaluated here.");
};
const policy = window.trustedTypes?.createPolicy("htmx", { createHTML: (text) => text, createScript: (text) => text });
window.htmx.registerExtension("shop-trust", {
  init(api) {
    api.initSecurity(policy, never, never);
  },
});
