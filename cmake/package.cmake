# What is installed where, and the Debian package made of it by CPack (./dev package). The libraries it depends on are
# found by dpkg-shlibdeps in the programs themselves.
set(deploy ${PROJECT_SOURCE_DIR}/deploy)

install(TARGETS lictord lictor RUNTIME DESTINATION bin)
install(FILES ${deploy}/systemd/lictord.toml DESTINATION /etc/lictor)
install(FILES ${deploy}/systemd/lictord.service ${deploy}/systemd/lictord-backup.service
  ${deploy}/systemd/lictord-backup.timer DESTINATION /lib/systemd/system)
install(FILES ${deploy}/debian/copyright DESTINATION share/doc/lictor)
install(FILES ${deploy}/debian/lintian-overrides DESTINATION share/lintian/overrides RENAME lictor)
# One by one where the directory may hold what is secret, or what only the source tree has a use for.
install(DIRECTORY ${deploy}/nginx ${deploy}/apache ${deploy}/monitoring ${deploy}/cluster ${deploy}/kubernetes ${deploy}/systemd
  DESTINATION share/doc/lictor/examples)
install(FILES ${deploy}/docker/Dockerfile ${deploy}/docker/compose.yaml ${deploy}/docker/nginx.conf
  DESTINATION share/doc/lictor/examples/docker)
install(PROGRAMS ${deploy}/docker/make-secrets DESTINATION share/doc/lictor/examples/docker)
# The pages, which call deploy/ what is examples/ there.
foreach(page operations options http-api cli performance)
  file(READ ${PROJECT_SOURCE_DIR}/docs/${page}.md text)
  string(REPLACE "](../deploy/" "](examples/" text "${text}")
  file(WRITE ${CMAKE_BINARY_DIR}/package/${page}.md "${text}")
  set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/${page}.md)
  install(FILES ${CMAKE_BINARY_DIR}/package/${page}.md DESTINATION share/doc/lictor)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/decisions DESTINATION share/doc/lictor)

# Whoever publishes packages is who people write to: cmake -D LICTOR_PACKAGE_CONTACT="Name <name@host>".
set(LICTOR_PACKAGE_CONTACT "The Lictor authors <maintainers@lictor.example>" CACHE STRING "Maintainer of the Debian package")
set(package_contact ${LICTOR_PACKAGE_CONTACT})

# Debian wants these compressed, without a time of their own.
find_program(GZIP gzip)
file(READ ${PROJECT_SOURCE_DIR}/CHANGELOG.md changelog)
string(TIMESTAMP package_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(${deploy}/debian/changelog.in ${CMAKE_BINARY_DIR}/package/changelog.Debian @ONLY)
install(CODE "
  foreach(page changelog:${PROJECT_SOURCE_DIR}/CHANGELOG.md changelog.Debian:${CMAKE_BINARY_DIR}/package/changelog.Debian)
    string(REGEX MATCH \"^([^:]+):(.*)$\" _ \${page})
    set(to \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share/doc/lictor/\${CMAKE_MATCH_1}\")
    configure_file(\${CMAKE_MATCH_2} \"\${to}\" COPYONLY)
    execute_process(COMMAND ${GZIP} -9nf \"\${to}\" COMMAND_ERROR_IS_FATAL ANY)
  endforeach()")

# Only what the package has is built for it.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME lictor)
set(CPACK_PACKAGE_CONTACT "${package_contact}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "software licensing server and its command line")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Lictor issues licenses for software, counts who uses them and answers
activations, validations and usage over HTTP: node-locked and floating
seats, subscriptions, trials and metered features.

lictord is the server, lictor the administrator's command line. It
listens on loopback; TLS ends in nginx or Apache before it.")
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/package)
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
  WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nginx-light, prometheus")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${deploy}/debian/conffiles ${deploy}/debian/postinst ${deploy}/debian/prerm
  ${deploy}/debian/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
