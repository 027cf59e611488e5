<?php
/**
 * Runs the plugin's tests: every function whose name begins with test_, each in a world of its own.
 */

error_reporting( E_ALL );
set_error_handler(
	function ( $level, $message, $file, $line ) {
		throw new ErrorException( $message, 0, $level, $file, $line );
	}
);

// Before the plugin is loaded, which asks for hooks at once.
require __DIR__ . '/stubs.php';
World::$now = new World();
define( 'CARTWHEEL_APP_URL', 'https://cartwheel.example.org/' );
require dirname( __DIR__, 2 ) . '/integrations/woocommerce/plugin/cartwheel/cartwheel.php';
foreach ( glob( __DIR__ . '/test_*.php' ) as $file ) {
	require $file;
}

/** Demands that two values are the same, types included. */
function same( $expected, $found, $about = '' ) {
	if ( $expected !== $found ) {
		throw new Exception( trim( "$about expected " . var_export( $expected, true ) . ', found ' . var_export( $found, true ) ) );
	}
}

/** Demands that something is true. */
function holds( $found, $about = 'it holds' ) {
	same( true, (bool) $found, "$about:" );
}

/** Runs what ends a script of WordPress, and returns how it ended. */
function ended( $callback ) {
	try {
		$callback();
	} catch ( Ended $end ) {
		return $end;
	}
	throw new Exception( 'the script went on' );
}

ob_start(); // What is printed early would be in the way of headers.
$failed = 0;
$ran    = 0;
foreach ( get_defined_functions()['user'] as $name ) {
	if ( 0 !== strpos( $name, 'test_' ) ) {
		continue;
	}
	++$ran;
	try {
		World::begin();
		$name();
	} catch ( Throwable $error ) {
		++$failed;
		echo "FAILED $name\n  {$error->getMessage()}\n  " . $error->getFile() . ':' . $error->getLine() . "\n" . $error->getTraceAsString() . "\n";
	}
}
echo "$ran tests, $failed failed, PHP " . PHP_VERSION . "\n";
exit( $failed || ! $ran ? 1 : 0 );
