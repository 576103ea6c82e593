import { testWhere } from '../support/available.js'
import { programAside, testDrive } from '../support/drive.js'

testWhere('fuse')(
  'S-002 R-74 after a kill, everything written before a synced file or directory is there',
  async (t) => {
    t.timeout(10 * 60_000)
    const drive = testDrive(t)
    await drive.up()
    const top = drive.mountpoint
    const before = `
      set -e
      head -c 200000 /dev/zero | tr '\\0' o > a; printf old > replaced; sync a replaced`
    await programAside('sh', ['-c', before], top)
    const work = `
      set -e
      exec 3<>a
      printf new | dd bs=1 seek=5000 conv=notrunc of=a 2>/dev/null
      head -c 3000000 /dev/zero | tr '\\0' n > fresh
      rm replaced; mv fresh replaced
      printf b > b; sync b
      printf next | dd bs=1 seek=9000 conv=notrunc of=a 2>/dev/null
      mkdir d; sync .`
    await programAside('sh', ['-c', work], top)
    drive.killAll()
    // The next daemon restores the mount.
    await drive.mount()
    const check = `
      dd if=a bs=1 skip=4999 count=5 2>/dev/null; echo
      dd if=a bs=1 skip=8999 count=6 2>/dev/null; echo
      stat -c %s a replaced b; tr -d n < replaced | wc -c; test -d d && echo directory`
    t.is(await programAside('sh', ['-c', check], top), 'onewo\nonexto\n200000\n3000000\n1\n0\ndirectory\n')
    await drive.unmount()
  },
)
