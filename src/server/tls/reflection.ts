/**
 * What `@peculiar/x509` stands on, for the bundled program: that runs what a module imports in its order, but CommonJS
 * modules, as this one, after all others. From the sources it is the other way round, so import both before the library.
 */
import "reflect-metadata";
