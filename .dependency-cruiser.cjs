/** The direction of imports: main -> server/cli -> features -> kernel, never back; no cycles. */
module.exports = {
  forbidden: [
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "kernel-knows-no-feature",
      severity: "error",
      from: { path: "^src/kernel/" },
      to: { path: "^src/(?!kernel/)" },
    },
    {
      name: "features-know-only-the-kernel",
      severity: "error",
      from: { path: "^src/features/" },
      to: { path: "^src/(?!kernel/|features/)" },
    },
    {
      name: "features-know-each-other-by-their-index",
      severity: "error",
      from: { path: "^src/features/([^/]+)/" },
      to: { path: "^src/features/", pathNot: ["^src/features/$1/", "^src/features/[^/]+/index\\.ts$"] },
    },
    {
      name: "only-the-composition-root-installs-features",
      severity: "error",
      from: { path: "^src/(cli|main|server)", pathNot: "\\.test\\.ts$" },
      to: { path: "^src/features/", pathNot: "^src/features/[^/]+/index\\.ts$" },
    },
    {
      name: "demo-is-a-client-of-the-public-interfaces",
      severity: "error",
      from: { path: "^src/demo/", pathNot: "\\.test\\.ts$" },
      to: { path: "^src/", pathNot: "^src/(demo/|kernel/errors\\.ts$)" },
    },
    {
      name: "only-the-command-line-knows-the-demo",
      severity: "error",
      from: { path: "^src/(?!demo/|cli/)" },
      to: { path: "^src/demo/" },
    },
    {
      name: "backup-is-a-client-of-the-public-interface",
      severity: "error",
      from: { path: "^src/backup/", pathNot: "\\.test\\.ts$" },
      to: { path: "^src/", pathNot: "^src/(backup/|kernel/errors\\.ts$)" },
    },
    {
      name: "only-the-command-line-knows-the-backup",
      severity: "error",
      from: { path: "^src/(?!backup/|cli/)" },
      to: { path: "^src/backup/" },
    },
    {
      name: "server-knows-no-cli",
      severity: "error",
      from: { path: "^src/server\\.ts$" },
      to: { path: "^src/(cli/|main\\.ts)" },
    },
    {
      name: "the-demo-is-a-client",
      severity: "error",
      from: { path: "^src/demo/" },
      to: { path: "^src/(?!demo/|kernel/)" },
    },
    {
      name: "source-imports-no-test",
      severity: "error",
      from: { path: "^src/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(test|bench)/|\\.test\\.ts$" },
    },
    {
      name: "no-undeclared-dependency",
      severity: "error",
      from: { path: "^(src|test|bench)/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "source-runs-without-development-dependencies",
      severity: "error",
      from: { path: "^src/", pathNot: "(\\.test|fixture)\\.ts$" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    { name: "not-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "types"] },
  },
};
