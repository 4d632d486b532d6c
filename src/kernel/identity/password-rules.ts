/** The commonest passwords of eight and more characters that are not all digits (those have a rule of their own). */
const commonest = new Set(
  `password password1 password12 password123 passw0rd p@ssw0rd p@ssword pa55word qwertyui qwertyuiop qwerty12 qwerty123
  qwerty1234 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qazxsw2 zaq12wsx q1w2e3r4 q1w2e3r4t5 qazwsxedc asdfghjk asdfghjkl asdf1234
  zxcvbnm1 zxcvbnm, abcd1234 abc12345 abcdefgh abcdefg1 a1b2c3d4 aa123456 iloveyou iloveyou1 sunshine princess football
  baseball superman batman123 trustno1 welcome1 welcome123 letmein1 letmein123 starwars computer michelle jennifer
  corvette mercedes maverick midnight whatever jordan23 changeme changeme1 changeit default1 adminadmin admin123
  admin1234 administrator administrator1 rootroot root1234 useruser user1234 guest123 testtest test1234 test12345
  master123 secret123 dragon123 monkey123 shadow123 michael1 charlie1 liverpool chelsea1 arsenal1 internet samsung1
  google123 facebook linkedin pokemon1 cheese123 freedom1 killer123 summer2023 summer2024 summer2025 winter2023
  winter2024 winter2025 spring2024 spring2025 busbar123 busbaradmin raspberry raspberrypi iloveyou2 lovelove blink182
  11111111a 12345678a 123456789a 1234qwer 123qweasd 123456abc a12345678 q1234567 hunter22 hello123 helloworld`.split(
    /\s+/,
  ),
);

export const shortest = 8;
/** Longer ones would only cost time. */
export const longest = 1024;

/** Why the password is refused: full sentences, without the password; none when it is good enough. */
export function passwordFaults(password: string, name: string): readonly string[] {
  const faults: string[] = [];
  if (password.length < shortest) faults.push(`The password needs at least ${shortest} characters.`);
  if (password.length > longest) faults.push(`The password may have at most ${longest} characters.`);
  if (/^\d+$/.test(password)) faults.push("The password may not consist of digits only.");
  if (commonest.has(password.toLowerCase())) faults.push("The password is one of the commonest.");
  if (isSimilar(password, name)) faults.push("The password is too similar to the name.");
  return faults;
}

function isSimilar(password: string, name: string): boolean {
  const secret = password.toLowerCase();
  const own = name.toLowerCase();
  if (secret === "" || own === "") return false;
  if (secret === own || own.includes(secret)) return true;
  return [own, [...own].reverse().join("")].some(
    (text) => text.length >= 4 && secret.includes(text) && secret.length - text.length < 5,
  );
}
