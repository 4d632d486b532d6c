/** The suite that aedes' persistences are tested with; the package ships no types for it. */
declare module "aedes-persistence/abstract.js" {
  interface AbstractContext {
    readonly assert: object;
    plan(count: number): void;
    diagnostic(text: string): void;
  }
  // biome-ignore lint/style/noDefaultExport: it is theirs.
  export default function abstractPersistence(options: {
    test: (name: string, work: (context: AbstractContext) => Promise<void>) => void;
    persistence: () => Promise<object>;
    testAsync: true;
  }): void;
}
