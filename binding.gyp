{
  'targets': [
    {
      'target_name': 'dagdrive_fuse',
      'sources': ['native/fuse_channel.c', 'native/fuse_methods.c', 'native/fuse_poll.c', 'native/fuse_settings.c', 'native/fuse_thread.c', 'native/holder_link.c', 'native/mount.c', 'native/mount_beneath.c', 'native/mount_calls.c'],
      'defines': ['NAPI_VERSION=8'],
      'cflags': ['-O2', '-fvisibility=hidden', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Wno-missing-field-initializers'],
    },
    {
      'target_name': 'dagdrive_seal',
      'sources': ['native/seal.c'],
      'defines': ['NAPI_VERSION=8'],
      'cflags': ['-O3', '-fvisibility=hidden', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Wno-missing-field-initializers'],
    },
    {
      'target_name': 'dagdrive_holder',
      'type': 'executable',
      'sources': ['native/holder.c', 'native/holder_messages.c', 'native/holder_start.c'],
      'cflags': ['-O2', '-Wall', '-Wextra'],
    },
  ],
}
